package logql

import (
	"github.com/prometheus/prometheus/model/labels"
)

// labelReplace computes label_replace(t, dst, replacement, src, regex): where regex matches the whole value of src, dst becomes
// replacement with its $1; an empty one takes dst away.
func labelReplace(e *LabelReplace, t *table) (*table, error) {
	re, err := compileAnchored(e.Regex)
	if err != nil {
		return nil, invalid("invalid regular expression in label_replace: %s", regexpReason(err))
	}
	b := labels.NewBuilder(labels.EmptyLabels())
	for i := range t.series {
		l := t.series[i].labels
		src := l.Get(e.Src)
		at := re.FindStringSubmatchIndex(src)
		if at == nil {
			continue
		}
		b.Reset(l)
		b.Set(e.Dst, string(re.ExpandString(nil, e.Replacement, src, at)))
		t.series[i].labels = b.Labels()
	}
	t, clash := mergeEqual(t.series)
	if clash != nil {
		return nil, invalid("label_replace makes two series of the labels %s: replace into another label than %s", *clash, e.Dst)
	}
	return t, nil
}
