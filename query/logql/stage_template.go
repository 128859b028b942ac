package logql

import (
	"errors"
	"strings"
	"text/template"
	"text/template/parse"
)

// The limits of one execution of a template: without them a query could take all time (loops in loops) or memory (a text that is
// doubled again and again). A line of 1 MiB is longer than any that is read.
const (
	maxTemplateOutput = 1 << 20
	maxTemplateTicks  = 50_000 // passes of loops, and calls of templates
	tickName          = "__tick__"
)

// textTemplate is a template of line_format or label_format. It is immutable; each record's owner executes a clone (bound).
type textTemplate struct {
	t      *template.Template
	fields []string // labels that it names
	all    bool     // it may look at any label
	simple string   // it is {{.simple}} and nothing else
	index  int      // in record.bound
}

// parseTemplate parses a template; name stands in error texts.
func parseTemplate(name, text string) (*textTemplate, error) {
	t, err := template.New(name).Option("missingkey=zero").Funcs(templateFuncs(&templateState{})).Parse(text)
	if err != nil {
		return nil, invalid("invalid template for %s: %s", name, strings.TrimPrefix(err.Error(), "template: "))
	}
	out := &textTemplate{t: t}
	if t.Tree == nil || t.Root == nil {
		return out, nil
	}
	for _, x := range t.Templates() {
		if x.Tree != nil {
			w := templateWalk{out: out}
			w.list(x.Root)
			if x != t {
				out.all = true // its data is what its caller gives it
			}
			limitLoops(x.Tree, x != t)
		}
	}
	out.simple = simpleField(t.Root)
	return out, nil
}

// simpleField returns the label of a template that writes nothing but it.
func simpleField(root *parse.ListNode) string {
	if root == nil || len(root.Nodes) != 1 {
		return ""
	}
	a, ok := root.Nodes[0].(*parse.ActionNode)
	if !ok || len(a.Pipe.Decl) > 0 || len(a.Pipe.Cmds) != 1 || len(a.Pipe.Cmds[0].Args) != 1 {
		return ""
	}
	if f, ok := a.Pipe.Cmds[0].Args[0].(*parse.FieldNode); ok && len(f.Ident) == 1 {
		return f.Ident[0]
	}
	return ""
}

// templateWalk finds which labels a template looks at.
type templateWalk struct {
	out   *textTemplate
	inner bool // inside a range or with, where the dot is something else
}

func (w *templateWalk) list(l *parse.ListNode) {
	if l == nil {
		return
	}
	for _, n := range l.Nodes {
		w.node(n)
	}
}

func (w *templateWalk) node(n parse.Node) {
	switch n := n.(type) {
	case *parse.ActionNode:
		w.pipe(n.Pipe)
	case *parse.IfNode:
		w.branch(&n.BranchNode, false)
	case *parse.RangeNode:
		w.branch(&n.BranchNode, true)
	case *parse.WithNode:
		w.branch(&n.BranchNode, true)
	case *parse.TemplateNode:
		w.pipe(n.Pipe)
		w.out.all = true
	case *parse.PipeNode:
		w.pipe(n)
	case *parse.FieldNode:
		w.out.fields = append(w.out.fields, n.Ident[0])
	case *parse.VariableNode:
		if len(n.Ident) > 1 {
			w.out.fields = append(w.out.fields, n.Ident[1])
		} else if n.Ident[0] == "$" {
			w.out.all = true
		}
	case *parse.ChainNode:
		w.node(n.Node)
		w.out.fields = append(w.out.fields, n.Field...)
	case *parse.DotNode:
		w.out.all = w.out.all || !w.inner
	}
}

func (w *templateWalk) branch(b *parse.BranchNode, inner bool) {
	w.pipe(b.Pipe)
	in := *w
	in.inner = w.inner || inner
	in.list(b.List)
	w.list(b.ElseList)
}

func (w *templateWalk) pipe(p *parse.PipeNode) {
	if p == nil {
		return
	}
	for _, c := range p.Cmds {
		for _, a := range c.Args {
			w.node(a)
		}
	}
}

// limitLoops puts a call of tickName at the beginning of what is executed again and again: the bodies of loops, and of templates
// that templates call.
func limitLoops(t *parse.Tree, called bool) {
	if t.Root == nil {
		return
	}
	limitList(t, t.Root)
	if called {
		prependTick(t, t.Root)
	}
}

func limitList(t *parse.Tree, l *parse.ListNode) {
	if l == nil {
		return
	}
	for _, n := range l.Nodes {
		switch n := n.(type) {
		case *parse.IfNode:
			limitList(t, n.List)
			limitList(t, n.ElseList)
		case *parse.WithNode:
			limitList(t, n.List)
			limitList(t, n.ElseList)
		case *parse.RangeNode:
			limitList(t, n.List)
			limitList(t, n.ElseList)
			prependTick(t, n.List)
		}
	}
}

func prependTick(t *parse.Tree, l *parse.ListNode) {
	name := parse.NewIdentifier(tickName).SetTree(t).SetPos(l.Pos)
	pipe := &parse.PipeNode{NodeType: parse.NodePipe, Pos: l.Pos, Cmds: []*parse.CommandNode{{NodeType: parse.NodeCommand, Pos: l.Pos, Args: []parse.Node{name}}}}
	l.Nodes = append([]parse.Node{&parse.ActionNode{NodeType: parse.NodeAction, Pos: l.Pos, Pipe: pipe}}, l.Nodes...)
}

// templateState is what the functions of a template know of the record.
type templateState struct {
	line  string
	time  int64
	ticks int
}

var (
	errTicks  = errors.New("the template loops too often")
	errOutput = errors.New("the template writes more than 1 MiB")
)

func (s *templateState) tick() (string, error) {
	if s.ticks++; s.ticks > maxTemplateTicks {
		return "", errTicks
	}
	return "", nil
}

// boundTemplate is a template that one record's owner executes.
type boundTemplate struct {
	t     *template.Template
	state templateState
	out   limitedBuilder
}

func (t *textTemplate) bind() *boundTemplate {
	b := &boundTemplate{}
	b.t = template.Must(t.t.Clone()).Funcs(templateFuncs(&b.state)) // a clone of what was never executed
	return b
}

// limitedBuilder takes what a template writes.
type limitedBuilder struct{ buf []byte }

func (w *limitedBuilder) Write(p []byte) (int, error) {
	if len(w.buf)+len(p) > maxTemplateOutput {
		return 0, errOutput
	}
	w.buf = append(w.buf, p...)
	return len(p), nil
}

// execute returns what the template writes for the record.
func (t *textTemplate) execute(r *record) (string, error) {
	if t.simple != "" {
		v, _ := r.get(t.simple)
		return v, nil
	}
	for len(r.bound) <= t.index {
		r.bound = append(r.bound, nil)
	}
	b := r.bound[t.index]
	if b == nil {
		b = t.bind()
		r.bound[t.index] = b
	}
	b.state = templateState{line: r.line, time: r.time}
	b.out.buf = b.out.buf[:0]
	if err := b.t.Execute(&b.out, r.data(t)); err != nil {
		return "", err
	}
	return string(b.out.buf), nil
}

// data is the labels as a template sees them.
func (r *record) data(t *textTemplate) map[string]string {
	if r.dataMap == nil {
		r.dataMap = map[string]string{}
	}
	clear(r.dataMap)
	if t.all {
		r.each(func(name, value string) { r.dataMap[name] = value })
		return r.dataMap
	}
	for _, name := range t.fields {
		if v, ok := r.get(name); ok {
			r.dataMap[name] = v
		}
	}
	return r.dataMap
}

// lineFormatStep is | line_format. A template that fails leaves the line as it is.
type lineFormatStep struct{ t *textTemplate }

func compileLineFormat(s *LineFormat) (step, error) {
	t, err := parseTemplate("line", s.Template)
	return &lineFormatStep{t}, err
}

func (s *lineFormatStep) run(r *record) bool {
	line, err := s.t.execute(r)
	if err != nil {
		r.fail(errTemplate, err.Error())
		return true
	}
	r.line = line
	return true
}

// labelFormatStep is | label_format: one assignment after the other.
type labelFormatStep struct{ formats []labelFormat }

type labelFormat struct {
	name, from string        // rename
	t          *textTemplate // nil: a rename
}

func compileLabelFormat(s *LabelFormat) (step, error) {
	out := &labelFormatStep{}
	for _, f := range s.Formats {
		if f.Name == labelError || f.Name == labelErrorDetails {
			return nil, invalid("%s cannot be formatted", f.Name)
		}
		x := labelFormat{name: f.Name}
		if f.Rename {
			x.from = f.Value
		} else {
			t, err := parseTemplate("label", f.Value)
			if err != nil {
				return nil, err
			}
			x.t = t
		}
		out.formats = append(out.formats, x)
	}
	return out, nil
}

func (s *labelFormatStep) run(r *record) bool {
	for i := range s.formats {
		f := &s.formats[i]
		if f.t == nil {
			if v, ok := r.get(f.from); ok {
				r.remove(f.from)
				r.set(f.name, v)
			}
			continue
		}
		v, err := f.t.execute(r)
		if err != nil {
			r.fail(errTemplate, err.Error())
			continue
		}
		r.set(f.name, v)
	}
	return true
}
