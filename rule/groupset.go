package rule

import "github.com/prometheus/prometheus/model/rulefmt"

// GroupSet is what belongs together under one name: a file, a document or a topic of default rules.
type GroupSet struct {
	Name     string
	Path     string // as Group.File
	Source   Source
	Language Language
	Text     string    // YAML of documents, as it was written
	Edited   *Document // of documents
	Problem  string    // why it is not evaluated
	Groups   []Group   // with their texts
}

// Sets returns all groups with their texts, by where they come from: files, documents, defaults. Documents that
// cannot be evaluated are among them.
func (m *Manager) Sets() []GroupSet {
	groups := map[string][]Group{}
	for _, g := range m.Groups() {
		groups[g.File] = append(groups[g.File], g)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var files, docs, defaults []GroupSet
	for _, name := range m.files.loader.files.names {
		set := GroupSet{Name: NameOf(name), Path: name, Source: sourceOf(name), Groups: groups[name]}
		addTexts(set.Groups, m.files.loader.files.groups[name])
		if set.Source == FromDefaults {
			defaults = append(defaults, set)
		} else {
			files = append(files, set)
		}
	}
	for _, d := range m.given {
		set := GroupSet{Name: d.Name, Path: d.path(), Source: FromDocument, Text: d.YAML, Edited: &d, Groups: groups[d.path()]}
		if err := m.refused[d.Name]; err != nil {
			set.Problem = err.Error()
		}
		docs = append(docs, set)
	}
	return append(append(files, docs...), defaults...)
}

// addTexts gives groups the YAML that they were made of.
func addTexts(groups []Group, from *rulefmt.RuleGroups) {
	for i, g := range groups {
		for _, written := range from.Groups {
			if written.Name == g.Name {
				groups[i].Text = yamlText(written)
			}
		}
	}
}
