package rule

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/prometheus/promql/parser"

	"github.com/hulotte-dev/hulotte/model"
)

const groupAlone = `# kept by the shop's team
name: shop
interval: 1m
rules:
  - alert: ShopHot
    expr: temp > 50
    for: 5m
    annotations:
      summary: "{{ $labels.room }} is hot"
`

func TestDocumentIsAGroupOrAFile(t *testing.T) {
	f := func(text string, groups ...string) {
		t.Helper()
		got, err := Document{Name: "x", Language: PromQL, YAML: text}.Groups(parser.NewParser(parser.Options{}))
		if err != nil {
			t.Errorf("%s\n%v", text, err)
			return
		}
		var names []string
		for _, g := range got.Groups {
			names = append(names, g.Name)
		}
		if strings.Join(names, " ") != strings.Join(groups, " ") {
			t.Errorf("%s\ngroups %q, want %q", text, names, groups)
		}
	}
	f(groupAlone, "shop")
	f("groups:\n- name: a\n  rules: []\n- name: b\n  rules: []\n", "a", "b")
	f("---\nname: a\nrules: [{record: x, expr: 'y'}]\n", "a")
	f("{name: a, rules: [{record: x, expr: 'y'}]}", "a")
	f("name: a\nrules:\n- record: x\n  expr: |\n    sum(\n      y\n    )\n", "a")
}

func TestDocumentErrorsHaveItsOwnLines(t *testing.T) {
	f := func(text string, want ...string) {
		t.Helper()
		_, err := Document{Name: "x", Language: PromQL, YAML: text}.Groups(parser.NewParser(parser.Options{}))
		if model.KindOf(err) != model.Invalid {
			t.Errorf("error %v of kind %s for\n%s", err, model.KindOf(err), text)
			return
		}
		for _, w := range want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("error %q does not have %q", err, w)
			}
		}
	}
	f("", "there is no group")
	f("name: a\nruels: []\n", "line 2", "ruels")
	f("name: a\nrules:\n  - record: x\n    expr: sum(\n", "4:11:", "could not parse")
	f("name: a\nrules:\n  - record: x\n   expr: y\n", "line")
	f("groups:\n- name: a\n  rules:\n  - record: x\n    expr: sum(\n", "5:11:")
	f("groups: []\n---\ngroups: []\n", "more than one")
	f("- 1\n", "line 1")
}

func TestEditedGroupKeepsItsAlerts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		r.load(recordDouble)
		set := func(text string) {
			t.Helper()
			if err := r.SetDocuments([]Document{{Name: "shop", Language: PromQL, YAML: text, Version: 1}}); err != nil {
				t.Fatal(err)
			}
		}
		set(groupAlone)
		r.hold(8*time.Minute, 60, hotSeries...)
		since := r.rule("ShopHot").Alerts[0].ActiveAt

		set(strings.Replace(groupAlone, "temp > 50", "temp > 40", 1))
		got := r.rule("ShopHot")
		if len(got.Alerts) != 1 || !got.Alerts[0].ActiveAt.Equal(since) || got.Query != "temp > 40" {
			t.Fatalf("right after the edit: %+v", got)
		}
		r.hold(2*time.Minute, 60, hotSeries...)
		if got := r.rule("ShopHot"); got.State != "firing" {
			t.Errorf("two minutes after the edit: %+v", got)
		}
		r.load(recordDouble) // a reload of files leaves documents alone
		if got := r.rule("ShopHot"); got.State != "firing" || !got.Alerts[0].ActiveAt.Equal(since) {
			t.Errorf("after a reload: %+v", got)
		}
		if err := r.SetDocuments(nil); err != nil || len(r.Sets()) != 1 {
			t.Errorf("after the group was deleted: %v, %+v", err, r.Sets())
		}
	})
}

func TestDocumentsComeLateAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before := newRig(t, Options{})
		before.load(recordDouble)
		docs := []Document{{Name: "shop", Language: PromQL, YAML: groupAlone, Version: 1}}
		if err := before.SetDocuments(docs); err != nil {
			t.Fatal(err)
		}
		before.hold(8*time.Minute, 60, hotSeries...)
		since := before.rule("ShopHot").Alerts[0].ActiveAt.Truncate(time.Second)
		before.stop()

		after := newRigOn(t, Options{}, before.store)
		after.load(recordDouble)
		after.hold(3*time.Minute, 60, hotSeries...) // the medium was away for so long
		if err := after.SetDocuments(docs); err != nil {
			t.Fatal(err)
		}
		after.hold(4*time.Minute, 60, hotSeries...)
		if got := after.rule("ShopHot"); got.State != "firing" || !got.Alerts[0].ActiveAt.Equal(since) {
			t.Errorf("after the restart: %+v, want it firing since %v", got, since)
		}
	})
}

func TestOneBadDocumentStopsNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		docs := []Document{
			{Name: "bad", Language: PromQL, YAML: "name: a\nrules: [{record: x, expr: 'sum('}]\n", Version: 1},
			{Name: "shop", Language: PromQL, YAML: groupAlone, Version: 2},
		}
		if err := r.SetDocuments(docs); err != nil { // before the first Apply
			t.Fatal(err)
		}
		r.load(recordDouble)
		r.hold(8*time.Minute, 60, hotSeries...)
		if got := r.rule("ShopHot"); got.State != "firing" {
			t.Errorf("%+v", got)
		}
		refused := r.Refused()
		if len(refused) != 1 || !strings.Contains(refused["bad"].Error(), "could not parse") {
			t.Errorf("refused %v", refused)
		}
		for _, s := range r.Sets() {
			if (s.Problem != "") != (s.Name == "bad") {
				t.Errorf("%+v", s)
			}
		}
	})
}
