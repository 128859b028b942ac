package services

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	programs "github.com/hulotte-dev/hulotte/test/services"
)

// mongoAnswer writes an OP_MSG with a document.
func mongoAnswer(doc []byte) []byte {
	msg := binary.LittleEndian.AppendUint32(nil, uint32(mongoHeader+5+len(doc)))
	msg = append(msg, 9, 0, 0, 0, 1, 0, 0, 0)
	msg = binary.LittleEndian.AppendUint32(msg, mongoOpMsg)
	return append(append(msg, 0, 0, 0, 0, 0), doc...)
}

// fakeMongo answers commands by their names.
func fakeMongo(t *testing.T, answer func(command string, o object) []byte) string {
	return serveTCP(t, func(c net.Conn) {
		for r := bufio.NewReader(c); ; {
			var head [4]byte
			if b, err := r.Peek(4); err != nil {
				return
			} else {
				copy(head[:], b)
			}
			msg := make([]byte, binary.LittleEndian.Uint32(head[:]))
			for n := 0; n < len(msg); {
				m, err := r.Read(msg[n:])
				if err != nil {
					return
				}
				n += m
			}
			name, _, _ := cstring(msg[mongoHeader+5+4+1:])
			o, _, _ := (&bsonReader{left: 1000}).document(msg[mongoHeader+5:], 0)
			if _, err := c.Write(answer(name, o)); err != nil {
				return
			}
		}
	})
}

func mongoStatus() []byte {
	n := func(v int32) any { return v }
	return appendBson(nil, field{"version", "7.0.2"}, field{"uptime", n(100)}, field{"pid", n(5)},
		field{"asserts", []field{{"regular", n(1)}, {"warning", n(2)}}},
		field{"connections", []field{{"current", n(3)}, {"available", n(100)}}},
		field{"opcounters", []field{{"insert", n(4)}, {"query", n(5)}}},
		field{"opLatencies", []field{{"reads", []field{{"latency", n(6)}, {"ops", n(7)}}}}},
		field{"mem", []field{{"bits", n(64)}, {"resident", n(120)}}},
		field{"metrics", []field{{"commands", []field{{"find", []field{{"total", n(8)}}}}}, {"document", []field{{"inserted", n(9)}}}}},
		field{"wiredTiger", []field{{"cache", []field{{"bytes currently in the cache", n(10)}}}, {"concurrentTransactions", []field{{"read", []field{{"out", n(1)}}}}}, {"transaction", []field{{"transactions committed", n(11)}}}}},
		field{"globalLock", []field{{"currentQueue", []field{{"readers", n(0)}}}, {"totalTimeCount", n(3)}}},
		field{"ok", n(1)})
}

func TestMongodbGolden(t *testing.T) {
	rs := appendBson(nil, field{"set", "rs0"}, field{"myState", int32(1)}, field{"members", []field{}}, field{"ok", int32(1)})
	address := fakeMongo(t, func(command string, _ object) []byte {
		switch command {
		case "isMaster":
			return mongoAnswer(appendBson(nil, field{"setName", "rs0"}, field{"ok", int32(1)}))
		case "serverStatus":
			return mongoAnswer(mongoStatus())
		case "replSetGetStatus":
			return mongoAnswer(rs)
		}
		return mongoAnswer(appendBson(nil, field{"ok", int32(0)}, field{"errmsg", "no such command"}))
	})
	wantGolden(t, "mongodb", mustRead(t, "mongodb", Target{Address: address}))
	refuses := fakeMongo(t, func(command string, _ object) []byte {
		if command == "isMaster" {
			return mongoAnswer(appendBson(nil, field{"ok", int32(1)}))
		}
		return mongoAnswer(appendBson(nil, field{"ok", int32(0)}, field{"errmsg", "command serverStatus requires authentication"}, field{"code", int32(13)}))
	})
	wantDown(t, "mongodb", Target{Address: refuses}, "requires authentication", "clusterMonitor")
}

// TestScram goes by the example of RFC 7677.
func TestScram(t *testing.T) {
	final, signature, err := scramAnswer("n=user,r=rOprNGfwEbeRWgbNEkqO", "rOprNGfwEbeRWgbNEkqO",
		"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", "pencil")
	if err != nil || final != "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=" || signature != "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=" {
		t.Errorf("%s, %s, %v", final, signature, err)
	}
	for _, challenge := range []string{"", "r=n,s=,i=4096", "r=nonceX,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=999999999", "r=other,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", "r=nonceX,s=!,i=4096"} {
		if _, _, err := scramAnswer("n=u,r=nonce", "nonce", challenge, "p"); err == nil {
			t.Errorf("%q is taken", challenge)
		}
	}
}

func TestMongoRefuses(t *testing.T) {
	f := func(answer []byte, want string) {
		t.Helper()
		_, err := readMongo(bytes.NewReader(answer))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%x: %v, want %q", answer, err, want)
		}
	}
	ok := mongoAnswer(appendBson(nil, field{"ok", int32(1)}))
	long := bytes.Clone(ok)
	binary.LittleEndian.PutUint32(long, 0x7fffffff)
	f(long, "too long")
	binary.LittleEndian.PutUint32(long, 1<<20)
	f(long, "EOF")
	f(append(bytes.Clone(ok[:21]), 0xff, 0xff, 0xff, 0x7f), "EOF")
	inner := bytes.Clone(ok)
	inner[21] = 200 // the document says that it is longer
	f(inner, "broken")
	f([]byte("HTTP/1.1 400 Bad Request\r\n"), "is it MongoDB")
	f(nil, "EOF")
}

func FuzzBson(f *testing.F) {
	f.Add(mongoStatus())
	f.Add(appendBson(nil, field{"a", []byte("x")}, field{"b", "c"}))
	f.Fuzz(func(t *testing.T, in []byte) {
		o, _, err := (&bsonReader{left: 10_000}).document(in, 0)
		if err == nil {
			addMongo(newFamilies(100), "serverStatus.", o, nil)
		}
		_, _ = readMongo(bytes.NewReader(in))
	})
}

func TestOpenldapReal(t *testing.T) {
	s := programs.Start(t, "slapd")
	target := Target{Address: s.Addr, Credentials: Credentials{Username: s.Extra["user"], Password: s.Extra["password"]}}
	fams := untilRead(t, "openldap", target)
	wantValue(t, fams, 1, "openldap_up")
	wantAbove(t, fams, 0, "openldap_monitor_counter_object", "dn", "cn=Total,cn=Connections,cn=Monitor")
	wantAbove(t, fams, 0, "openldap_monitor_operation", "dn", "cn=Bind,cn=Operations,cn=Monitor")
	wantAbove(t, fams, 0, "openldap_monitored_object", "dn", "cn=Max,cn=Threads,cn=Monitor")
	wantValue(t, mustRead(t, "openldap", Target{Address: s.Addr}), 1, "openldap_up") // anonymous, which this one allows
	target.Credentials.Password = "wrong"
	wantDown(t, "openldap", target, "code 49", "cn=Monitor")
}

// ldapAnswer writes a message with an operation.
func ldapAnswer(op []byte) []byte {
	return appendBer(nil, berSequence, berNumber(berInteger, 1), op)
}

func ldapTestEntry(dn, attribute, value string) []byte {
	values := appendBer(nil, berSet, berText(berOctets, value))
	list := appendBer(nil, berSequence, appendBer(nil, berSequence, berText(berOctets, attribute), values))
	return appendBer(nil, ldapEntry, berText(berOctets, dn), list)
}

func ldapTestResult(tag, code byte, text string) []byte {
	return appendBer(nil, tag, berNumber(berEnumerated, code), berText(berOctets, ""), berText(berOctets, text))
}

func TestOpenldapGolden(t *testing.T) {
	bound := ldapAnswer(ldapTestResult(ldapBound, 0, ""))
	serve := func(messages ...[]byte) string {
		return serveTCP(t, func(c net.Conn) { go discard(c); _, _ = c.Write(bytes.Join(messages, nil)); <-t.Context().Done() })
	}
	done := ldapAnswer(ldapTestResult(ldapDone, 0, ""))
	wantGolden(t, "openldap", mustRead(t, "openldap", Target{Address: serve(bound,
		ldapAnswer(ldapTestEntry("cn=Current,cn=Connections,cn=Monitor", "monitorCounter", "3")),
		ldapAnswer(ldapTestEntry("cn=Active,cn=Threads,cn=Monitor", "monitoredInfo", "1")),
		ldapAnswer(ldapTestEntry("cn=State,cn=Threads,cn=Monitor", "monitoredInfo", "opening")),
		ldapAnswer(ldapTestEntry("cn=Search,cn=Operations,cn=Monitor", "monitorOpCompleted", "77")), done)}))
	wantDown(t, "openldap", Target{Address: serve(bound, done)}, "load the monitor backend")
	wantDown(t, "openldap", Target{Address: serve(ldapAnswer(ldapTestResult(ldapBound, 49, "")))}, "code 49")
	wantDown(t, "openldap", Target{Address: serve([]byte{0x30, 0x84, 0x7f, 0xff, 0xff, 0xff})}, "too long")
	wantDown(t, "openldap", Target{Address: serve([]byte{0x30, 0x05, 0x02, 0x84, 0xff, 0xff, 0xff, 0xff})}, "not LDAP's")
}

func FuzzLdap(f *testing.F) {
	f.Add(ldapAnswer(ldapTestEntry("cn=a", "monitorCounter", "3")))
	f.Add(ldapAnswer(ldapTestResult(ldapDone, 0, "x")))
	f.Fuzz(func(t *testing.T, in []byte) {
		op, err := readLdap(bufio.NewReader(bytes.NewReader(in)))
		if err != nil {
			return
		}
		_, _, _ = ldapResult(op)
		if dn, attributes, err := ldapObject(op); err == nil {
			addOpenldap(newFamilies(100), dn, attributes)
		}
	})
}

func TestChronyReal(t *testing.T) {
	dir, err := os.MkdirTemp("", "chrony")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if os.Getuid() != 0 {
		t.Skip("chronyd wants to be root")
	}
	port := freePort(t)
	conf := write(t, dir+"/chrony.conf", fmt.Sprintf("port 0\ncmdport %d\nbindcmdaddress 127.0.0.1\nbindcmdaddress /\npidfile %[2]s/pid\ndriftfile %[2]s/drift\nserver 127.0.0.1 port 9\nlocal stratum 7\nuser root\n", port, dir))
	run(t, "chronyd", "-d", "-x", "-f", conf)
	fams := untilRead(t, "chrony", Target{Address: fmt.Sprintf("127.0.0.1:%d", port)})
	wantValue(t, fams, 1, "chrony_up")
	wantValue(t, fams, 7, "chrony_tracking_stratum")
	wantValue(t, fams, 0, "chrony_tracking_remote_reference")
	wantValue(t, fams, 0, "chrony_sources_reachability_ratio", "source_address", "127.0.0.1")
	wantValue(t, fams, 1, "chrony_sources_state_info", "source_state", "unreach", "source_mode", "client")
	now := float64(time.Now().Unix())
	if v, _ := value(fams, "chrony_tracking_reference_timestamp_seconds"); math.Abs(v-now) > 3600 {
		t.Errorf("the reference's time is %v, now is %v", v, now)
	}
}

func TestChronyGolden(t *testing.T) {
	f := newFamilies(100)
	address := append([]byte{192, 0, 2, 1}, make([]byte, 12)...)
	address = append(address, 0, 1, 0, 0)
	be := binary.BigEndian
	tracking := append(be.AppendUint32(nil, 0xc0000201), address...)
	tracking = append(tracking, 0, 3, 0, 0)
	for _, v := range []uint32{0, 1_700_000_000, 500_000_000} {
		tracking = be.AppendUint32(tracking, v)
	}
	half := uint32(0)<<25 | 1<<24 // exponent 0, coefficient 2^24: 0.5
	for range 9 {
		tracking = be.AppendUint32(tracking, half)
	}
	if err := addTracking(f, tracking); err != nil {
		t.Fatal(err)
	}
	source := append([]byte(nil), address...)
	for _, v := range []uint16{6, 2, 0, 0, 0, 0o377} {
		source = be.AppendUint16(source, v)
	}
	for _, v := range []uint32{12, half, half, half} {
		source = be.AppendUint32(source, v)
	}
	if err := addChronySource(f, source); err != nil {
		t.Fatal(err)
	}
	wantGolden(t, "chrony", f.result())
	if v := chronyFloat([]byte{0xff, 0x80, 0, 0}); v != math.Ldexp(-1<<23, -26) && v >= 0 {
		t.Errorf("a negative number is %v", v)
	}
	wantDown(t, "chrony", Target{Address: fmt.Sprintf("127.0.0.1:%d", freePort(t)), Timeout: time.Second}, "refused")
}

func FuzzChrony(f *testing.F) {
	f.Add(make([]byte, 104))
	f.Fuzz(func(t *testing.T, in []byte) {
		fam := newFamilies(100)
		_ = addTracking(fam, in)
		_ = addChronySource(fam, in)
		var sequence [4]byte
		_, _ = chronyAnswer(in, sequence, 5)
		if len(in) >= 4 {
			_ = refID(binary.BigEndian.Uint32(in))
		}
	})
}

func TestFail2banReal(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("fail2ban wants to be root")
	}
	dir, err := os.MkdirTemp("", "f2b")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	log := write(t, dir+"/auth.log", "")
	write(t, dir+"/conf/fail2ban.conf", fmt.Sprintf("[Definition]\nloglevel = INFO\nlogtarget = STDOUT\nsyslogsocket = auto\nsocket = %[1]s/sock\npidfile = %[1]s/pid\ndbfile = None\ndbpurgeage = 1d\ndbmaxmatches = 10\n[Thread]\n", dir))
	write(t, dir+"/conf/filter.d/x.conf", "[Definition]\nfailregex = ^.*refused <HOST>$\n")
	write(t, dir+"/conf/action.d/none.conf", "[Definition]\nactionban =\nactionunban =\n")
	write(t, dir+"/conf/jail.conf", fmt.Sprintf("[DEFAULT]\nbantime = 600\nfindtime = 300\nmaxretry = 2\nbackend = polling\nusedns = no\n[gate]\nenabled = true\nfilter = x\nlogpath = %s\naction = none\n", log))
	run(t, "fail2ban-server", "-f", "-c", dir+"/conf", "-s", dir+"/sock", "-p", dir+"/pid", "start")
	target := Target{Address: "unix:" + dir + "/sock"}
	fams := untilRead(t, "fail2ban", target)
	until(t, "the jail", func() error {
		var err error
		fams, err = read(t, "fail2ban", target)
		if _, ok := value(fams, "f2b_jail_config_ban_time", "jail", "gate"); !ok && err == nil {
			err = fmt.Errorf("no jail yet")
		}
		return err
	})
	wantValue(t, fams, 1, "f2b_up")
	wantValue(t, fams, 1, "f2b_jail_count")
	wantValue(t, fams, 600, "f2b_jail_config_ban_time", "jail", "gate")
	wantValue(t, fams, 2, "f2b_jail_config_max_retries", "jail", "gate")
	line := time.Now().Format("2006-01-02 15:04:05") + " gate: refused 192.0.2.7\n"
	write(t, log, strings.Repeat(line, 3))
	until(t, "a ban", func() error {
		fams, err := read(t, "fail2ban", target)
		if v, _ := value(fams, "f2b_jail_banned_total", "jail", "gate"); v != 1 && err == nil {
			err = fmt.Errorf("%v bans", v)
		}
		return err
	})
}

func TestFail2banGolden(t *testing.T) {
	// What Python's pickle.dumps(..., 2) makes of (0, [("Number of jail", 1), ("Jail list", "gate")]) and so on.
	text := func(s string) string { return "X" + string(binary.LittleEndian.AppendUint32(nil, uint32(len(s)))) + s }
	status := "\x80\x02K\x00](" + text("Number of jail") + "K\x01\x86" + text("Jail list") + text("gate") + "\x86e\x86."
	jail := "\x80\x02K\x00](" + text("Filter") + "](" + text("Currently failed") + "K\x02\x86" + text("Total failed") + "M\x00\x01\x86e\x86" +
		text("Actions") + "](" + text("Currently banned") + "K\x01\x86" + text("Total banned") + "J\x00\x00\x01\x00\x86" + text("Banned IP list") + "](" + text("192.0.2.7") + "e\x86e\x86e\x86."
	serve := func(answer func(asked string) string) string {
		return serveTCP(t, func(c net.Conn) {
			b := make([]byte, 4096)
			n, _ := c.Read(b)
			fmt.Fprint(c, answer(string(b[:n]))+string(fail2banEnd))
		})
	}
	address := serve(func(asked string) string {
		switch {
		case strings.Contains(asked, "version"):
			return "\x80\x02K\x00" + text("1.0.2") + "\x86."
		case strings.Contains(asked, "bantime"):
			return "\x80\x02K\x00J\xff\xff\xff\xff\x86."
		case strings.Contains(asked, "get"):
			return "\x80\x02K\x00\x8a\x02\x58\x02\x86."
		case strings.Contains(asked, "gate"):
			return jail
		}
		return status
	})
	wantGolden(t, "fail2ban", mustRead(t, "fail2ban", Target{Address: address}))
	wantDown(t, "fail2ban", Target{Address: serve(func(string) string { return "\x80\x02cos\nsystem\n" + text("true") + "\x85R." })}, "not a pickle of plain values")
	wantDown(t, "fail2ban", Target{Address: serve(func(string) string { return "\x80\x02K\x01" + text("refused") + "\x86." })}, "refused")
	wantDown(t, "fail2ban", Target{Address: serve(func(string) string { return "\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R." })}, "names something of Python's")
	wantDown(t, "fail2ban", Target{Address: serve(func(string) string { return "\x80\x02X\xff\xff\xff\x7f." })}, "longer than all")
}

func FuzzPickle(f *testing.F) {
	f.Add([]byte("\x80\x02K\x00](X\x01\x00\x00\x00aK\x01\x86e\x86."))
	f.Add([]byte("\x80\x04\x95\x05\x00\x00\x00\x00\x00\x00\x00}\x94\x8c\x01a\x94K\x01s."))
	f.Add([]byte("\x80\x02]q\x00(h\x00h\x00e."))
	f.Add([]byte("\x80\x04\x8c\x08builtins\x8c\x03str\x93\x8c\x011\x85R."))
	f.Add(appendPickle(nil, "status", "sshd"))
	f.Fuzz(func(t *testing.T, in []byte) {
		v, err := fail2banValue(in)
		if err == nil {
			addJail(newFamilies(100), "j", v)
		}
	})
}

func TestJolokiaGolden(t *testing.T) {
	answers := map[string]string{
		"kafka.server:*":                                    `{"kafka.server:name=MessagesInPerSec,topic=t,type=BrokerTopicMetrics":{"Count":5,"MeanRate":0.1,"RateUnit":"SECONDS"},"kafka.server:name=UnderReplicatedPartitions,type=ReplicaManager":{"Value":2},"kafka.server:name=RequestHandlerAvgIdlePercent,type=KafkaRequestHandlerPool":{"MeanRate":0.9,"Count":7}}`,
		"kafka.network:type=RequestMetrics,*":               `{"kafka.network:name=TotalTimeMs,request=Produce,type=RequestMetrics":{"Count":3,"50thPercentile":1.5,"999thPercentile":9}}`,
		"org.apache.cassandra.metrics:type=ClientRequest,*": `{"org.apache.cassandra.metrics:name=Latency,scope=Read,type=ClientRequest":{"Count":11,"Mean":2.5},"org.apache.cassandra.metrics:name=Timeouts,scope=Read,type=ClientRequest":{"Count":1}}`,
		"java.lang:*":                                       `{"java.lang:type=Memory":{"HeapMemoryUsage":{"used":10,"max":20,"committed":15,"init":5},"Verbose":false},"java.lang:name=G1 Young Generation,type=GarbageCollector":{"CollectionCount":4,"CollectionTime":1500},"java.lang:type=Threading":{"ThreadCount":30}}`,
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := readAll(r.Body, 1<<20)
		o, _ := readObject(body)
		if value, ok := answers[o.text("mbean")]; ok {
			fmt.Fprintf(w, `{"status":200,"value":%s}`, value)
			return
		}
		fmt.Fprint(w, `{"status":404,"error":"javax.management.InstanceNotFoundException"}`)
	})}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { server.Close() })
	wantGolden(t, "kafka", mustRead(t, "kafka", Target{Address: l.Addr().String()}))
	wantGolden(t, "cassandra", mustRead(t, "cassandra", Target{Address: l.Addr().String()}))
	wantDown(t, "kafka", Target{Address: servePages(t, nil)}, "404", "Jolokia")
}

func FuzzJolokia(f *testing.F) {
	f.Add([]byte(`{"status":200,"value":{"kafka.server:name=A,type=B":{"Value":1,"Count":2,"50thPercentile":3},"java.lang:type=Memory":{"HeapMemoryUsage":{"used":1}}}}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		beans, err := readJolokia(in)
		if err != nil {
			return
		}
		fam := newFamilies(100)
		for i := range beans {
			kafkaSeries(fam, &beans[i])
			cassandraSeries(fam, &beans[i])
			addJVM(fam, &beans[i])
		}
	})
}
