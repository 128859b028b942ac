package tail

import (
	"strconv"
	"strings"

	"github.com/hulotte-dev/hulotte/logformat"
	"github.com/hulotte-dev/hulotte/model"
)

// The limits of what is taken of an entry besides its message.
const (
	maxOwnFields = 32      // that the program added
	maxOwnValue  = 4 << 10 // bytes of each
)

// entry is an entry of the journal as a record. The names of the fields are those of systemd.journal-fields(7).
type entry struct {
	cursor string
	record model.Record
	labels []model.Field
	stream string // what the entry is a line of, when it is one; "" when the program wrote whole messages
}

// entryOf makes a record. ok is false when the entry has no time or no message.
func (j *journal) entryOf(fields []entryField, cut map[string]int64) (e entry, ok bool) {
	get := make(map[string]string, len(fields))
	for _, f := range fields {
		if _, twice := get[f.name]; !twice {
			get[f.name] = string(f.value)
		}
	}
	e.cursor = get["__CURSOR"]
	micros, err := strconv.ParseInt(get["__REALTIME_TIMESTAMP"], 10, 64)
	message, has := get["MESSAGE"]
	if err != nil || micros <= 0 || micros > 1<<52 || !has {
		return e, false
	}
	e.record = model.Record{Time: micros * 1000, Line: strings.TrimRight(message, "\n")}
	e.record.Fields = j.fieldsOf(get, cut)
	e.labels = j.labelsOf(get)
	if get["_TRANSPORT"] == "stdout" {
		e.stream = get["_STREAM_ID"]
	}
	return e, true
}

// fieldsOf are the fields that tell something about one entry.
func (j *journal) fieldsOf(get map[string]string, cut map[string]int64) []model.Field {
	var fields []model.Field
	add := func(name, value string) {
		if value != "" {
			fields = append(fields, model.Field{Name: name, Value: value})
		}
	}
	add(model.FieldLevel, levelOfEntry(get))
	add("process_pid", get["_PID"])
	add("process_executable_name", get["_COMM"])
	if unit := unitOf(get); !namesStream(unit) {
		add("unit", unit)
	}
	if size, ok := cut["MESSAGE"]; ok {
		add(fieldTruncated, strconv.FormatInt(size, 10))
		j.t.metrics.truncated.Inc()
	}
	if j.t.opts.NoFields {
		return model.SortFields(fields)
	}
	own := 0
	for name, value := range get {
		if !isOwnField(name) || own >= maxOwnFields || len(value) > maxOwnValue {
			continue
		}
		own++
		add(strings.ToLower(name), strings.ToValidUTF8(value, "�"))
	}
	return model.SortFields(fields)
}

// isOwnField says whether a field is neither journald's nor one that everybody sets and nobody asks for.
func isOwnField(name string) bool {
	switch name {
	case "MESSAGE", "PRIORITY", "SYSLOG_FACILITY", "SYSLOG_IDENTIFIER", "SYSLOG_PID", "SYSLOG_TIMESTAMP", "SYSLOG_RAW", "TID",
		"UNIT", "USER_UNIT", "INVOCATION_ID", "USER_INVOCATION_ID", "CONTAINER_NAME", "CONTAINER_ID", "CONTAINER_ID_FULL", "CONTAINER_TAG",
		"CONTAINER_PARTIAL_MESSAGE", "CONTAINER_LOG_EPOCH", "CONTAINER_LOG_ORDINAL", "IMAGE_NAME":
		return false
	}
	return name[0] != '_'
}

// levelOfEntry is that of the priority when the program has chosen one: what is written to stdout has the priority of its
// unit, so that the text tells more.
func levelOfEntry(get map[string]string) string {
	priority := get["PRIORITY"]
	chosen := get["_TRANSPORT"] != "stdout" || priority != "6"
	if l := logformat.Level(get["MESSAGE"]); !chosen && l != "" {
		return l
	}
	switch priority {
	case "0":
		return "fatal"
	case "1", "2":
		return "critical"
	case "3":
		return "error"
	case "4":
		return "warn"
	case "5", "6":
		return "info"
	case "7":
		return "debug"
	}
	return ""
}

// labelsOf are the labels of the entry's stream.
func (j *journal) labelsOf(get map[string]string) []model.Field {
	unit := unitOf(get)
	labels := []model.Field{{Name: "job", Value: "journal"}, {Name: "instance", Value: j.instanceOf(get)}}
	if namesStream(unit) {
		labels = append(labels, model.Field{Name: "unit", Value: text(unit)})
	}
	if name := get["CONTAINER_NAME"]; name != "" {
		labels = append(labels, model.Field{Name: "container", Value: text(name)})
	}
	labels = append(labels, model.Field{Name: "service_name", Value: text(serviceOfEntry(get, unit))})
	for name, value := range j.opts.Labels {
		labels = append(labels, model.Field{Name: name, Value: value})
	}
	labels = j.t.withLabels(labels)
	return model.SortFields(labels)
}

// instanceOf is this machine, or the name of another one whose journal is kept here.
func (j *journal) instanceOf(get map[string]string) string {
	if id := get["_MACHINE_ID"]; id != "" && j.machine != "" && id != j.machine && get["_HOSTNAME"] != "" {
		return text(get["_HOSTNAME"])
	}
	return j.t.opts.Instance
}

// text makes what an entry says a label's value.
func text(s string) string {
	const most = 256
	return strings.ToValidUTF8(s[:min(len(s), most)], "_")
}

// unitOf is the unit that the entry is from or, in what systemd itself says, about.
func unitOf(get map[string]string) string {
	for _, name := range [...]string{"UNIT", "USER_UNIT", "OBJECT_SYSTEMD_UNIT", "_SYSTEMD_USER_UNIT", "_SYSTEMD_UNIT"} {
		if u := get[name]; u != "" {
			return u
		}
	}
	return ""
}

// namesStream says whether a unit is one of a few, so that it can be a label: not one that systemd made for a session or a
// single run.
func namesStream(unit string) bool {
	if unit == "" || strings.HasSuffix(unit, ".scope") || strings.HasPrefix(unit, "run-") || strings.HasPrefix(unit, "user-runtime-dir@") {
		return false
	}
	return !strings.HasPrefix(unit, "systemd-coredump@") && !strings.HasPrefix(unit, "dbus-:") && !strings.HasSuffix(unit, ".device")
}

// serviceOfEntry names what wrote the entry: the container, the unit, or the program.
func serviceOfEntry(get map[string]string, unit string) string {
	if name := get["CONTAINER_NAME"]; name != "" {
		return name
	}
	if get["_TRANSPORT"] == "kernel" {
		return "kernel"
	}
	if namesStream(unit) && !strings.HasPrefix(unit, "user@") {
		name := unit
		if i := strings.LastIndexByte(name, '.'); i > 0 {
			name = name[:i]
		}
		name, _, _ = strings.Cut(name, "@")
		return name
	}
	for _, field := range [...]string{"SYSLOG_IDENTIFIER", "_COMM"} {
		if name := get[field]; name != "" {
			return name
		}
	}
	return "journal"
}
