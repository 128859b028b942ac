package config

import (
	"fmt"
	"path"
	"regexp"
)

// StatusPage is a page for the public.
type StatusPage struct {
	Slug        string        `json:"slug"` // in its address: /status/slug
	Title       string        `json:"title"`
	Description string        `json:"description"`
	Groups      []StatusGroup `json:"groups"`
}

// StatusGroup is items under one heading.
type StatusGroup struct {
	Name  string       `json:"name"`
	Items []StatusItem `json:"items"`
}

// StatusItem is one thing that people use; it is as good as the worst of its checks.
type StatusItem struct {
	Name   string   `json:"name"`
	Checks []string `json:"checks"` // ids, with * in them: web*/http
}

func statusPageKey(pages *[]StatusPage) Key {
	return Key{Path: "monitoring.status_pages", value: entries[StatusPage]{pages, "slug: shop, title: The shop, groups: []"}, Live: true,
		Doc: "Pages for the public, at `/status/SLUG`, which anybody may read without a login: entries with `slug`, `title`, `description` and `groups`, a list of `name` and `items`; an item has a `name` and `checks`, a list of ids of checks in which `*` stands for anything but a slash."}
}

var validSlug = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,63}$`)

func (c *Config) validateStatusPages(fail func(key, text string)) {
	const key = "monitoring.status_pages"
	seen := map[string]bool{}
	for _, p := range c.Monitoring.StatusPages {
		switch {
		case !validSlug.MatchString(p.Slug):
			fail(key, fmt.Sprintf("has the slug %q: write small letters, digits, - and _", p.Slug))
		case seen[p.Slug]:
			fail(key, fmt.Sprintf("has two pages with the slug %q", p.Slug))
		case p.Title == "":
			fail(key, fmt.Sprintf("has no title for %q", p.Slug))
		}
		seen[p.Slug] = true
		for _, g := range p.Groups {
			for _, i := range g.Items {
				for _, pattern := range i.Checks {
					if _, err := path.Match(pattern, "a/b"); err != nil {
						fail(key, fmt.Sprintf("has %q for %q, which is no pattern", pattern, i.Name))
					}
				}
			}
		}
	}
}
