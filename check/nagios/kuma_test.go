package nagios

import (
	"os"
	"strings"
	"testing"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/check/probe"
	"github.com/hulotte-dev/hulotte/model"
)

func TestImportKuma(t *testing.T) {
	text, err := os.ReadFile("testdata/kuma.json")
	if err != nil {
		t.Fatal(err)
	}
	r, err := ImportKuma(text)
	if err != nil {
		t.Fatal(err)
	}
	fits(t, r)
	for _, k := range probe.Kinds(probe.Options{}) {
		for _, s := range r.Specs {
			if s.Kind != k.Name {
				continue
			}
			if _, err := k.New(check.Params{Host: s.Host, Address: s.Host, Name: s.Name, Options: s.Options}); err != nil {
				t.Errorf("%s: %v", s.ID(), err)
			}
		}
	}
	golden(t, "testdata/kuma.golden", show(t, r))
	comesBack(t, r)
}

func TestImportKumaErrors(t *testing.T) {
	for text, want := range map[string]model.Kind{"": model.Invalid, "[]": model.Invalid, "{}": model.Invalid, `{"monitorList":5}`: model.Invalid,
		strings.Repeat(" ", maxKuma+1): model.Limit} {
		if _, err := ImportKuma([]byte(text)); model.KindOf(err) != want {
			t.Errorf("%.20q: %v, not %s", text, err, want)
		}
	}
}

func FuzzKuma(f *testing.F) {
	text, err := os.ReadFile("testdata/kuma.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"monitorList":[{"id":1,"name":"","type":"port","hostname":"a/b","port":"x","active":"1","parent":1,"interval":1e300}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := ImportKuma(text)
		if err != nil {
			return
		}
		ids := map[string]bool{}
		for _, s := range r.Specs {
			if ids[s.ID()] || s.Host == "" || s.Name == "" || strings.Contains(s.Host+s.Name, "/") || s.Interval <= 0 || s.MaxAttempts < 1 {
				t.Fatalf("%+v", s)
			}
			ids[s.ID()] = true
		}
	})
}
