package manager

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	amconfig "github.com/prometheus/alertmanager/config"
	"go.yaml.in/yaml/v3"

	"github.com/hulotte-dev/hulotte/notify"
)

// Config is what an alertmanager.yml says.
type Config struct {
	Alertmanager *amconfig.Config
	// Extras are the entries of receivers that Alertmanager does not know, by the receiver's name.
	Extras map[string][]notify.Extra
}

// DefaultConfig is what holds when nothing is said: alerts are grouped and shown, and nobody is told.
const DefaultConfig = `
route:
  receiver: pages
  group_by: [alertname]
receivers:
  - name: pages
`

// extraKinds are the *_configs that are ours.
var extraKinds = []string{"bleemeo", "google_chat", "gotify", "http", "matrix", "ntfy", "oncall", "signal", "sms", "web_push"}

const maxConfigBytes = 16 << 20

// ReadConfig reads the content of an alertmanager.yml, which may have our own kinds of receivers besides. Relative paths in it are of
// folder. Errors name lines of text.
func ReadConfig(text []byte, folder string) (*Config, error) {
	if len(text) > maxConfigBytes {
		return nil, fmt.Errorf("it has %d bytes, more than %d", len(text), maxConfigBytes)
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, err
	}
	c := &Config{Extras: map[string][]notify.Extra{}}
	rest, err := c.takeExtras(&doc, text, folder)
	if err != nil {
		return nil, err
	}
	if c.Alertmanager, err = load(string(rest)); err != nil {
		return nil, err
	}
	for i, t := range c.Alertmanager.Templates {
		c.Alertmanager.Templates[i] = join(folder, t)
	}
	setDirectories(reflect.ValueOf(c.Alertmanager), folder, 0)
	for _, extras := range c.Extras {
		for i := range extras {
			extras[i].Global = c.Alertmanager.Global
		}
	}
	return c, nil
}

// load is Alertmanager's loader, from whose panics a user is spared.
func load(text string) (c *amconfig.Config, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("cannot be read: %v", r)
		}
	}()
	return amconfig.Load(text)
}

// takeExtras takes our kinds of receivers out, so that Alertmanager's strict reader does not stumble over them. The other lines stay
// where they are, so that its errors name the right ones.
func (c *Config) takeExtras(doc *yaml.Node, text []byte, folder string) ([]byte, error) {
	receivers := child(doc, "receivers")
	if receivers == nil || receivers.Kind != yaml.SequenceNode {
		return text, nil
	}
	lines := bytes.Split(text, []byte("\n"))
	flow, took := false, false
	for n, r := range receivers.Content {
		name := child(r, "name")
		for i := 0; r.Kind == yaml.MappingNode && i+1 < len(r.Content); {
			key, value := r.Content[i], r.Content[i+1]
			kind, ours := strings.CutSuffix(key.Value, "_configs")
			if !ours || !slices.Contains(extraKinds, kind) {
				i += 2
				continue
			}
			if name == nil || name.Value == "" {
				return nil, fmt.Errorf("line %d: receivers[%d] has no name", r.Line, n)
			}
			if value.Kind != yaml.SequenceNode {
				return nil, fmt.Errorf("line %d: %s of the receiver %q is no list", value.Line, key.Value, name.Value)
			}
			for _, entry := range value.Content {
				c.Extras[name.Value] = append(c.Extras[name.Value], notify.Extra{Kind: kind, Node: *entry, Folder: folder})
			}
			took = true
			if r.Style&yaml.FlowStyle != 0 || i == 0 {
				flow = true // a line may hold more than the entry, or the dash before it
			} else {
				blank(lines, key.Line, end(r, i, lines))
			}
			r.Content = slices.Delete(r.Content, i, i+2)
		}
	}
	switch {
	case !took:
		return text, nil
	case flow:
		return yaml.Marshal(doc)
	}
	return bytes.Join(lines, []byte("\n")), nil
}

// end is the line behind the value of r's i-th key: that of the next key, or the first that is not below the key.
func end(r *yaml.Node, i int, lines [][]byte) int {
	key := r.Content[i]
	for line := key.Line + 1; line <= len(lines); line++ {
		text := bytes.TrimLeft(lines[line-1], " ")
		indent := len(lines[line-1]) - len(text)
		if len(text) == 0 || text[0] == '#' {
			continue
		}
		if indent < key.Column-1 || indent == key.Column-1 && text[0] != '-' {
			return line
		}
	}
	return len(lines) + 1
}

// blank empties lines from one, counted from 1, to before another.
func blank(lines [][]byte, from, to int) {
	for i := from; i < to && i <= len(lines); i++ {
		lines[i-1] = nil
	}
}

// child is the value of a mapping's key; nil when there is none.
func child(n *yaml.Node, name string) *yaml.Node {
	if n.Kind == yaml.DocumentNode && len(n.Content) > 0 {
		n = n.Content[0]
	}
	if n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return n.Content[i+1]
		}
	}
	return nil
}

// setDirectories makes the relative paths of certificates and passwords those of folder, as Alertmanager does for a file.
func setDirectories(v reflect.Value, folder string, depth int) {
	const deepest = 20
	if depth > deepest || !v.IsValid() {
		return
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return
		}
		if d, ok := v.Interface().(interface{ SetDirectory(dir string) }); ok {
			d.SetDirectory(folder)
			return
		}
		setDirectories(v.Elem(), folder, depth+1)
	case reflect.Slice:
		for i := range v.Len() {
			setDirectories(v.Index(i), folder, depth+1)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Type().Field(i); f.IsExported() {
				if v.Field(i).CanAddr() && v.Field(i).Kind() == reflect.Struct {
					setDirectories(v.Field(i).Addr(), folder, depth+1)
					continue
				}
				setDirectories(v.Field(i), folder, depth+1)
			}
		}
	}
}

// Tells says whether any receiver of a route tells anybody.
func (c *Config) Tells() bool {
	for _, r := range c.Alertmanager.Receivers {
		if len(c.Extras[r.Name]) > 0 || !reflect.DeepEqual(r, amconfig.Receiver{Name: r.Name, Labels: r.Labels}) {
			return true
		}
	}
	return false
}

var errNoConfig = errors.New("no configuration was applied")
