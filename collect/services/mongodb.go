package services

import (
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
)

type mongodbOptions struct {
	AuthSource         string `json:"auth_source" doc:"database that has the user; admin when empty"`
	TLS                bool   `json:"tls" doc:"speak TLS"`
	InsecureSkipVerify bool   `json:"insecure_skip_verify" doc:"accept any certificate, such as a self-signed one"`
}

func mongodbKind() Kind {
	return withOptions(Kind{
		Name: "mongodb", Exporter: "mongodb_exporter", Job: "mongodb", Up: "mongodb_up", Address: "127.0.0.1:27017",
		Doc: "Everything numeric of serverStatus (mongodb_ss_...) and, in a replica set, of replSetGetStatus (mongodb_rs_...). Statistics of collections and the exporter's compatible mode are not read.",
		Setup: "With access control on, give this user (SCRAM-SHA-256):\n\n" +
			"```js\nuse admin\ndb.createUser({user: \"hulotte\", pwd: passwordPrompt(), roles: [\"clusterMonitor\"]})\n```",
	}, newMongodb)
}

const (
	mongodbHint     = "give a user with the role clusterMonitor"
	mongoOpMsg      = 2013
	mongoHeader     = 16
	maxMongoMessage = 8 << 20 // serverStatus is some 50 KiB
)

// mongo is one connection. A message is int32 length of all of it, int32 id, int32 id of what it answers, int32 opcode; with the opcode
// OP_MSG follow uint32 flags, byte kind of the section (0: a document), the document
// (https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/).
type mongo struct {
	c  *conn
	id uint32
}

func newMongodb(t Target, o mongodbOptions) (reader, error) {
	if o.AuthSource == "" {
		o.AuthSource = "admin"
	}
	return func(ctx context.Context, f *families) error {
		f.upPairs = []string{"cluster_role", "mongod"}
		c, err := dial(ctx, t.Address)
		if err != nil {
			return err
		}
		defer func() { c.close() }()
		if o.TLS {
			network, address := splitAddress(t.Address)
			c = bound(ctx, startTLS(c.Conn, network, address, o.InsecureSkipVerify), maxAnswerBytes)
		}
		m := &mongo{c: c}
		hello, err := m.run("admin", field{"isMaster", int32(1)})
		if err != nil {
			return err
		}
		password, err := t.Credentials.password()
		if err != nil {
			return err
		}
		if t.Credentials.Username != "" {
			if err := m.login(t.Credentials.Username, password, o.AuthSource); err != nil {
				return err
			}
		}
		return m.read(hello, f)
	}, nil
}

func (m *mongo) read(hello object, f *families) error {
	if hello.text("msg") == "isdbgrid" {
		f.upPairs = []string{"cluster_role", "mongos"}
	} else if hello.text("setName") == "" && hello["arbiterOnly"] == 1.0 {
		f.upPairs = []string{"cluster_role", "arbiter"}
	}
	status, err := m.run("admin", field{"serverStatus", int32(1)})
	if err != nil {
		return err
	}
	addMongo(f, "serverStatus.", status, nil)
	f.gauge("mongodb_version_info", "1; the labels tell the version.", 1, "mongodb", status.text("version"), "edition", "", "vendor", "")
	if set := hello.text("setName"); set != "" {
		rs, err := m.run("admin", field{"replSetGetStatus", int32(1)})
		if err != nil {
			f.warn(err)
			return nil
		}
		addMongo(f, "replSetGetStatus.", rs, []string{"rs_nm", set})
	}
	return nil
}

// run sends a command and returns its answer, or what the server has against it.
func (m *mongo) run(db string, fields ...field) (object, error) {
	m.id++
	msg := binary.LittleEndian.AppendUint32(make([]byte, 4, 256), m.id)
	msg = binary.LittleEndian.AppendUint32(msg, 0)
	msg = binary.LittleEndian.AppendUint32(msg, mongoOpMsg)
	msg = append(msg, 0, 0, 0, 0, 0)
	msg = appendBson(msg, append(fields, field{"$db", db})...)
	binary.LittleEndian.PutUint32(msg, uint32(len(msg))) //nolint:gosec // short
	if _, err := m.c.Write(msg); err != nil {
		return nil, err
	}
	o, err := readMongo(m.c.r)
	if err != nil {
		return nil, err
	}
	if o["ok"] != 1.0 {
		text := fmt.Errorf("MongoDB answers %s to %s", excerpt(o.text("errmsg")), fields[0].name)
		switch code, _ := o.number("code"); code {
		case 13, 18: // unauthorized, authentication failed
			return nil, fmt.Errorf("%w: %s", text, mongodbHint)
		}
		return nil, text
	}
	return o, nil
}

// readMongo reads one OP_MSG with one document.
func readMongo(r io.Reader) (object, error) {
	var head [mongoHeader + 5]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := int64(int32(binary.LittleEndian.Uint32(head[:]))) - int64(len(head)) //nolint:gosec // it is signed
	if binary.LittleEndian.Uint32(head[12:]) != mongoOpMsg || head[mongoHeader+4] != 0 {
		return nil, errors.New("the answer is no OP_MSG with a document: is it MongoDB 3.6 or later?")
	}
	if n < 5 || n > maxMongoMessage {
		return nil, fmt.Errorf("an answer says that it has %d bytes: %w", n, errTooLong)
	}
	body, err := readAll(io.LimitReader(r, n), n) // grows as bytes come: the length may be a lie
	if err != nil {
		return nil, err
	}
	if int64(len(body)) < n {
		return nil, io.ErrUnexpectedEOF
	}
	reader := &bsonReader{left: bsonMaxElements}
	o, _, err := reader.document(body, 0)
	return o, err
}

// login speaks SCRAM-SHA-256 (RFC 7677) as MongoDB wants it.
func (m *mongo) login(user, password, db string) error {
	random := make([]byte, 24)
	if _, err := rand.Read(random); err != nil {
		return err
	}
	nonce := base64.StdEncoding.EncodeToString(random)
	first := "n=" + strings.NewReplacer("=", "=3D", ",", "=2C").Replace(user) + ",r=" + nonce
	answer, err := m.run(db, field{"saslStart", int32(1)}, field{"mechanism", "SCRAM-SHA-256"}, field{"payload", []byte("n,," + first)},
		field{"options", []field{{"skipEmptyExchange", int32(1)}}})
	if err != nil {
		return err
	}
	challenge, _ := answer["payload"].([]byte)
	final, signature, err := scramAnswer(first, nonce, string(challenge), password)
	if err != nil {
		return err
	}
	id, _ := answer.number("conversationId")
	answer, err = m.run(db, field{"saslContinue", int32(1)}, field{"conversationId", int32(id)}, field{"payload", []byte(final)})
	if err != nil {
		return err
	}
	last, _ := answer["payload"].([]byte)
	if !hmac.Equal([]byte(strings.TrimPrefix(string(last), "v=")), []byte(signature)) {
		return errors.New("the server does not know the password either: it is not the one that it says")
	}
	return nil
}

const maxScramRounds = 1 << 20 // MongoDB uses 15,000; more is there to keep us busy

// scramAnswer answers the server's challenge "r=nonce,s=salt,i=rounds", and tells what the server has to say then.
func scramAnswer(first, nonce, challenge, password string) (final, signature string, err error) {
	p := map[string]string{}
	for part := range strings.SplitSeq(challenge, ",") {
		k, v, _ := strings.Cut(part, "=")
		p[k] = v
	}
	rounds, err := strconv.Atoi(p["i"])
	salt, err2 := base64.StdEncoding.DecodeString(p["s"])
	if err != nil || err2 != nil || rounds < 4096 || rounds > maxScramRounds || !strings.HasPrefix(p["r"], nonce) || len(p["r"]) == len(nonce) {
		return "", "", errors.New("the challenge of SCRAM-SHA-256 is broken")
	}
	salted, err := pbkdf2.Key(sha256.New, password, salt, rounds, sha256.Size)
	if err != nil {
		return "", "", err
	}
	sum := func(key []byte, text string) []byte {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(text))
		return h.Sum(nil)
	}
	clientKey := sum(salted, "Client Key")
	stored := sha256.Sum256(clientKey)
	final = "c=biws,r=" + p["r"]
	signed := first + "," + challenge + "," + final
	proof := sum(stored[:], signed)
	for i := range proof {
		proof[i] ^= clientKey[i]
	}
	final += ",p=" + base64.StdEncoding.EncodeToString(proof)
	return final, base64.StdEncoding.EncodeToString(sum(sum(salted, "Server Key"), signed)), nil
}

// mongoLabels are the documents whose fields are one family, told apart by a label.
var mongoLabels = map[string]string{
	"serverStatus.asserts.": "assert_type", "serverStatus.connections.": "conn_type", "serverStatus.globalLock.currentQueue.": "count_type",
	"serverStatus.metrics.commands.": "cmd_name", "serverStatus.metrics.cursor.open.": "csr_type", "serverStatus.metrics.document.": "doc_op_type",
	"serverStatus.opLatencies.": "op_type", "serverStatus.opReadConcernCounters.": "concern_type", "serverStatus.opcounters.": "legacy_op_type",
	"serverStatus.opcountersRepl.": "legacy_op_type", "serverStatus.transactions.commitTypes.": "commit_type",
	"serverStatus.wiredTiger.concurrentTransactions.": "txn_rw_type", "serverStatus.queues.execution.": "txn_rw_type", "serverStatus.wiredTiger.perf.": "perf_bucket",
}

// mongoNested are the documents whose documents are told apart by a label.
var mongoNested = map[string]string{
	"serverStatus.opLatencies.": "op_type", "serverStatus.wiredTiger.concurrentTransactions.": "txn_rw", "serverStatus.queues.execution.": "txn_rw",
}

// mongoPrefixes shorten names; the first that fits is taken.
var mongoPrefixes = [...][2]string{
	{"serverStatus.wiredTiger.transaction.", "ss_wt_txn."}, {"serverStatus.wiredTiger.", "ss_wt."},
	{"serverStatus.queues.execution.", "ss_wt_concurrentTransactions."}, {"serverStatus.", "ss."}, {"replSetGetStatus.", "rs."},
}

// addMongo adds the numbers of a document. prefix is its path with a dot behind it.
func addMongo(f *families, prefix string, o object, pairs []string) {
	for _, key := range slices.Sorted(maps.Keys(o)) {
		with := pairs[:len(pairs):len(pairs)]
		below := prefix + key + "."
		if label := mongoNested[prefix]; label != "" {
			if _, isDoc := o[key].(map[string]any); isDoc {
				with, below = append(with, label, key), prefix+"." // two dots: not what mongoLabels has
			}
		}
		switch v := o[key].(type) {
		case map[string]any:
			addMongo(f, below, v, with)
		case []any:
			for _, member := range objects(v) {
				m := with[:len(with):len(with)]
				if name := member.text("name"); name != "" {
					m = append(m, "member_idx", name, "member_state", member.text("stateStr"))
				} else if host := member.text("host"); host != "" {
					m = append(m, "member_idx", host)
				}
				addMongo(f, below, member, m)
			}
		case float64:
			addMongoValue(f, prefix, key, v, with)
		}
	}
}

func addMongoValue(f *families, prefix, key string, v float64, pairs []string) {
	path := prefix + key
	if label := mongoLabels[prefix]; label != "" {
		path, pairs = strings.TrimSuffix(prefix, "."), append(pairs, label, key)
	}
	name := mongoName(path)
	if !isWord(name) {
		return
	}
	if strings.HasSuffix(strings.ToLower(key), "count") {
		f.counter(name, "The field "+path+".", v, pairs...)
	} else {
		f.untyped(name, "The field "+path+".", v, pairs...)
	}
}

// mongoName makes mongodb_ss_mem_resident of serverStatus.mem.resident.
func mongoName(path string) string {
	path += "."
	for _, p := range mongoPrefixes {
		if rest, ok := strings.CutPrefix(path, p[0]); ok {
			path = p[1] + rest
			break
		}
	}
	out := []byte("mongodb_")
	for i := range len(path) {
		c := path[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' {
			out = append(out, c)
		} else if out[len(out)-1] != '_' {
			out = append(out, '_')
		}
	}
	return strings.TrimSuffix(string(out), "_")
}
