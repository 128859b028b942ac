package rowgroup

import (
	"strings"
)

// templater takes the texts of one column apart. It keeps its buffers.
type templater struct {
	ids    map[string]int // of a shape's key
	shapes []shapeInfo
	shape  []int32  // of each text: its shape, or noShape
	first  []uint32 // of each text: where its values begin
	values []string
	text   shape
	json   jsonScanner
	recent [4]int // JSON shapes that lines had lately
	slots  map[string]int
}

const noShape = -1

// shapeInfo is a shape that some texts have.
type shapeInfo struct {
	key      string
	split    jsonTemplate // literals and kinds
	keys     []string     // JSON: paths
	json     bool
	refused  bool // JSON: a key twice
	count    int
	template int // its number among those that are kept, or noShape
}

// maxShapes is how many shapes one column may have: lines with random keys must not make a template each.
const maxShapes = 1000

func (t *templater) reset(n int) {
	if t.ids == nil {
		t.ids, t.slots = map[string]int{}, map[string]int{}
	}
	clear(t.ids)
	t.shapes, t.shape, t.first = t.shapes[:0], t.shape[:0], t.first[:0]
	clear(t.values) // the texts are the caller's
	t.values = t.values[:0]
	t.recent = [4]int{noShape, noShape, noShape, noShape}
}

// scan takes all texts apart; lines may be JSON.
func (t *templater) scan(texts []string, lines bool) {
	t.reset(len(texts))
	for _, text := range texts {
		t.first = append(t.first, uint32(len(t.values)))
		id := noShape
		if lines && startsObject(text) {
			id = t.scanJSON(text)
		}
		if id == noShape {
			id = t.scanText(text)
		}
		if id != noShape {
			t.shapes[id].count++
		}
		t.shape = append(t.shape, int32(id))
	}
}

func startsObject(s string) bool {
	i := spaceEnd(s, 0)
	return i < len(s) && s[i] == '{'
}

func (t *templater) scanText(text string) int {
	if !scanText(text, &t.text) {
		return noShape
	}
	id, ok := t.ids[string(t.text.key)]
	if !ok {
		if len(t.shapes) >= maxShapes {
			return noShape
		}
		id = t.add(&t.text, nil)
	}
	t.values = append(t.values, t.text.values...)
	return id
}

func (t *templater) add(s *shape, keys []string) int {
	key := string(s.key)
	id := len(t.shapes)
	t.shapes = append(t.shapes, shapeInfo{key: key, split: splitShape(key), keys: keys, json: keys != nil, refused: twice(keys)})
	t.ids[key] = id
	return id
}

// twice says whether a key is there twice.
func twice(keys []string) bool {
	seen := make(map[string]bool, len(keys))
	for _, k := range keys {
		if seen[k] {
			return true
		}
		seen[k] = true
	}
	return false
}

func (t *templater) scanJSON(line string) int {
	for i, id := range t.recent {
		if id != noShape && t.json.scanAs(line, &t.shapes[id].split) {
			t.use(i, id)
			t.values = append(t.values, t.json.values...)
			return id
		}
	}
	if !t.json.scan(line) {
		return noShape
	}
	id, ok := t.ids[string(t.json.key)]
	if !ok {
		if len(t.shapes) >= maxShapes {
			return noShape
		}
		keys := append(make([]string, 0, len(t.json.keys)), t.json.keys...)
		id = t.add(&t.json.shape, keys)
	}
	if t.shapes[id].refused {
		return noShape
	}
	t.use(len(t.recent)-1, id)
	t.values = append(t.values, t.json.values...)
	return id
}

// use moves a shape to the front of those tried first.
func (t *templater) use(at, id int) {
	copy(t.recent[1:at+1], t.recent[:at])
	t.recent[0] = id
}

// keep chooses the shapes that become templates and returns how many; plain is how many texts have none.
func (t *templater) keep(n, depth int) (templates, plain int) {
	texts, kept := 0, 0
	for i := range t.shapes {
		s := &t.shapes[i]
		s.template = noShape
		if s.json {
			texts -= s.count
			continue
		}
		// A shape without any literal says nothing.
		if s.count >= minTemplate && len(s.key) > 2 {
			kept += s.count
		}
	}
	texts += n
	useTexts := kept*2 >= texts
	plain = n
	for i := range t.shapes {
		s := &t.shapes[i]
		if s.json && !s.refused || !s.json && useTexts && s.count >= minTemplate && len(s.key) > 2 {
			s.template = templates
			templates++
			plain -= s.count
		}
	}
	return templates, plain
}

// templateColumn tries to code texts as templates.
func (e *Encoder) templateColumn(v *values, c *column, depth int) bool {
	t := e.templater(depth)
	t.scan(v.texts, depth == 0)
	templates, plain := t.keep(len(v.texts), depth)
	if templates == 0 || e.plain || e.slots >= maxSlotColumns || depth > 0 && templates > len(v.texts)/minTemplate {
		return false
	}
	e.split(v, t, c, templates, plain, depth)
	return true
}

func (e *Encoder) templater(depth int) *templater {
	for len(e.templaters) <= depth {
		e.templaters = append(e.templaters, &templater{})
	}
	return e.templaters[depth]
}

// slotColumn is a column in the making.
type slotColumn struct {
	values
	count int
	index int // of the column
}

// split makes the templates and codes the columns of their slots.
func (e *Encoder) split(v *values, t *templater, c *column, templates, plain, depth int) {
	clear(t.slots)
	var cols []slotColumn
	c.templates = make([]template, 0, templates+1)
	for i := range t.shapes {
		s := &t.shapes[i]
		if s.template == noShape {
			continue
		}
		if n := len(s.split.kinds); e.slots+len(cols)+n > maxSlotColumns || e.uses+n > maxTemplateSlots {
			s.template = noShape
			plain += s.count
			continue
		}
		s.template = len(c.templates)
		e.uses += len(s.split.kinds)
		tpl := template{literals: s.split.literals, json: s.json}
		cols = t.assign(s, &tpl, cols)
		c.templates = append(c.templates, tpl)
	}
	if plain > 0 {
		cols = append(cols, slotColumn{values: values{slot: slotPlain}, count: plain})
		c.templates = append(c.templates, template{literals: []string{"", ""}, slots: []int{len(cols) - 1}})
	}
	e.slots += len(cols)
	codes := e.distribute(v, t, c.templates, cols, plain > 0)
	for i := range cols {
		below := depth + 1
		if cols[i].slot == slotPlain {
			below = maxNesting // what could not be taken apart is not tried again
		}
		cols[i].index = e.column(&cols[i].values, below)
	}
	for i := range c.templates {
		for k, at := range c.templates[i].slots {
			c.templates[i].slots[k] = cols[at].index
		}
		e.filter.literals(c.templates[i].literals)
	}
	c.kind, c.off = kindTemplate, len(e.data)
	if len(c.templates) > 1 {
		e.codes(codes, len(c.templates))
	}
}

// assign finds the columns of a shape's slots. Slots of several shapes share a column when the text before them is alike: what
// is behind "port " is a port in all of them; of JSON, when they have the same path and kind.
func (t *templater) assign(s *shapeInfo, tpl *template, cols []slotColumn) []slotColumn {
	name := ""
	used := map[int]bool{}
	for k, kind := range s.split.kinds {
		path := ""
		if s.json {
			path = s.keys[k]
			name = "j" + string(rune(kind)) + path
		} else {
			name = slotName(name, s.split.literals[k])
		}
		at, ok := t.slots[name]
		for ok && used[at] {
			name += "\x01"
			at, ok = t.slots[name]
		}
		if !ok {
			at = len(cols)
			t.slots[name] = at
			cols = append(cols, slotColumn{values: values{slot: kind, key: path}})
		}
		used[at] = true
		cols[at].count += s.count
		tpl.slots = append(tpl.slots, at)
	}
	return cols
}

// slotName is the last word before the slot, and when there is no letter in it the name of the slot before as well.
func slotName(last, literal string) string {
	word := literal
	if i := strings.LastIndexByte(strings.TrimRight(literal, " "), ' '); i >= 0 {
		word = literal[i+1:]
	}
	word = word[max(0, len(word)-24):]
	if strings.ContainsFunc(word, func(r rune) bool { return r|0x20 >= 'a' && r|0x20 <= 'z' }) {
		return word
	}
	return last[max(0, len(last)-24):] + "\x02" + word
}

// distribute hands the values to the columns and returns the number of each text's template.
func (e *Encoder) distribute(v *values, t *templater, templates []template, cols []slotColumn, plain bool) []uint32 {
	n := len(v.texts)
	for i := range cols {
		c := &cols[i]
		c.timed = v.timed
		c.texts = e.textSlab.take(c.count)[:0]
		c.rows = e.codeSlab.take(c.count)[:0]
	}
	codes := e.codeSlab.take(n)
	for i, text := range v.texts {
		row := uint32(v.row(i))
		id := noShape
		if t.shape[i] != noShape {
			id = t.shapes[t.shape[i]].template
		}
		if id == noShape {
			codes[i] = uint32(len(templates) - 1)
			c := &cols[len(cols)-1]
			c.texts, c.rows = append(c.texts, text), append(c.rows, row)
			continue
		}
		codes[i] = uint32(id)
		first := int(t.first[i])
		for k, at := range templates[id].slots {
			c := &cols[at]
			c.texts, c.rows = append(c.texts, t.values[first+k]), append(c.rows, row)
		}
	}
	return codes
}
