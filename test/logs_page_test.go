package test

import (
	"strings"
	"testing"

	"github.com/hulotte-dev/hulotte/test/harness"
)

// What the page about logs asks of a process with the store and the language that users have.
func TestLogsPageCalls(t *testing.T) {
	p := harness.Start(t, harness.Options{Config: "host: {enabled: false}\n"})
	c := &contract{T: t, base: p.URL, end: shopEnd()}
	pushLogs(t, p.URL, shopLogs(c.end))
	const base, during = "../../../api/hulotte/v1/logs/", "start=$S000000000&end=$E000000000&"
	c.ask("histogram", base+"histogram?step=600&"+during+"query="+q(`{env="prod"}`), "",
		`data.total = 2600`, `data.series.# = 3`, `data.series.0.value = error`, `data.series.1.value = warn`, `data.series.2.value = info`)
	c.ask("histogram of a word", base+"histogram?buckets=10&"+during+"query="+q(`{} |= "slow query"`), "", `data.total = 200`)
	c.ask("facets", base+"facets?lines=5000&"+during+"query="+q(`{}`), "", `data.records = 2601`, `data.sampled = false`,
		`data.facets.[name=app].source = label`, `data.facets.[name=app].values.0 = {"count":2401,"value":"web"}`,
		`data.facets.[name=detected_level].source = metadata`, `data.facets.[name=detected_level].count = 2601`, `data.facets.[name=status].source = json`, `data.facets.[name=status].values.1 = {"count":240,"value":"500"}`,
		`data.facets.[name=rows].source = logfmt`, `data.facets.[name=rows].max = 199`)
	c.ask("facets of a sample", base+"facets?lines=160&"+during+"query="+q(`{app="web"}`), "", `data.sampled = true`, `data.records = 160`)
	c.ask("patterns", base+"patterns?"+during+"query="+q(`{app="db"}`), "", `data.patterns.# = 1`, `data.patterns.0.total = 200`, `data.patterns.0.isNew = true`, `data.patterns.0.level = warn`)
	stream := q(`{app="db", env="prod", service_name="db"}`)
	c.ask("context", base+"context?time=$E-9000ms&before=2&after=2&line="+q(`level=warn msg="slow query" rows=199`)+"&stream="+stream, "",
		`data.at.line = level=warn msg="slow query" rows=199`, `data.before.# = 2`, `data.before.0.line = level=warn msg="slow query" rows=197`, `data.after.# = 0`, `data.moreBefore = true`, `data.moreAfter = false`)
	code, h, body := c.get(base+"download?format=text&"+during+"query="+q(`{app="db"}`), "")
	if lines := strings.Split(strings.TrimSpace(string(body)), "\n"); code != 200 || len(lines) != 200 || lines[0] != `level=warn msg="slow query" rows=0` || !strings.HasPrefix(h.Get("Content-Disposition"), "attachment") {
		t.Errorf("download: %d, %d lines, %v", code, len(lines), h)
	}
	code, _, body = c.get(base+"download?format=csv&fields=app,rows&limit=2&"+during+"query="+q(`{app="db"} | logfmt`), "")
	if text := string(body); code != 200 || strings.Count(text, "\n") != 3 || !strings.HasPrefix(text, "time,line,app,rows\n") || !strings.Contains(text, ",db,1\n") {
		t.Errorf("download: %d %s", code, text)
	}
}
