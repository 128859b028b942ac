package hosts

import (
	"encoding/json"
	"math"
	"testing"
)

func TestTableWritesColumns(t *testing.T) {
	type row struct {
		Name  string `json:"name"`
		Value Num    `json:"value"`
		Rare  bool   `json:"rare"`
		None  Num    `json:"none"`
		inner int
	}
	f := func(in Table[row], want string) {
		t.Helper()
		got, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	f(nil, `{"n":0}`)
	f(Table[row]{{Name: "a", Value: 1, None: None, inner: 1}, {Name: "<b>", Value: None, None: None}}, `{"n":2,"name":["a","\u003cb\u003e"],"value":[1,null]}`)
	f(Table[row]{{Value: 1.23456, Rare: true, None: None}}, `{"n":1,"value":[1.235],"rare":[true]}`)
}

func TestNum(t *testing.T) {
	f := func(in float64, want string) {
		t.Helper()
		got, err := Num(in).MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != want {
			t.Errorf("Num(%v) is written %s, want %s", in, got, want)
		}
		var back Num
		if err := json.Unmarshal(got, &back); err != nil || back.Known() != Num(in).Known() {
			t.Errorf("reading %s back gives %v, %v", got, back, err)
		}
	}
	f(0, "0")
	f(0.000123456, "0.0001235")
	f(99.996, "100")
	f(12345.678, "12346")
	f(math.NaN(), "null")
	f(math.Inf(-1), "null")
}
