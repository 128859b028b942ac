package discovery

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/hulotte-dev/hulotte/internal/kernelfile"
)

// versions tells which version of a service runs, by paths, arguments, the tag of an image, and the package database. It
// runs nothing.
type versions struct {
	root     string
	packages map[string]string // of dpkg, those that the catalogue names
	wanted   map[string]bool
	read     time.Time // modification time of the database that was read
}

func newVersions(root string) *versions { return &versions{root: root} }

// maxVersion bounds a version's text, in bytes.
const maxVersion = 64

func (v *versions) of(in *instance) string {
	p := &in.first().prog
	texts := []string{p.exe, p.line()}
	if in.info != nil {
		texts = append(texts, in.info.Image)
	}
	for _, re := range in.entry.versions {
		for _, text := range texts {
			if m := re.FindStringSubmatch(text); m != nil && m[1] != "" {
				return short(m[1])
			}
		}
	}
	if in.info != nil {
		return imageVersion(in.info.Image)
	}
	if in.first().container != "" {
		return ""
	}
	for _, name := range in.entry.Packages {
		if version := v.packages[name]; version != "" {
			return short(upstream(version))
		}
	}
	return ""
}

func short(s string) string {
	s = clean(s)
	return s[:min(len(s), maxVersion)]
}

// imageVersion is the tag of an image when it looks like a version.
func imageVersion(image string) string {
	image, _, _ = strings.Cut(image, "@")
	_, tag, ok := strings.Cut(image[strings.LastIndexByte(image, '/')+1:], ":")
	tag = strings.TrimPrefix(tag, "v")
	if !ok || tag == "" || tag[0] < '0' || tag[0] > '9' {
		return ""
	}
	return short(tag)
}

// upstream is a version of Debian without epoch and revision (deb-version(7)).
func upstream(version string) string {
	if _, rest, ok := strings.Cut(version, ":"); ok {
		version = rest
	}
	if i := strings.LastIndexByte(version, '-'); i > 0 {
		version = version[:i]
	}
	return version
}

// maxStatus bounds what is read of the package database, in bytes: one with 5,000 packages has 6 MB.
const maxStatus = 32 << 20

// refresh reads the package database when it has changed and there is somebody to ask for.
func (v *versions) refresh(c *Catalogue) {
	path := filepath.Join(v.root, "var/lib/dpkg/status")
	st, err := os.Stat(path)
	if err != nil || st.ModTime().Equal(v.read) {
		return
	}
	v.read = st.ModTime()
	if v.wanted == nil {
		v.wanted = map[string]bool{}
		for _, e := range c.entries {
			for _, p := range e.Packages {
				v.wanted[p] = true
			}
		}
	}
	text, err := kernelfile.Read(nil, path, maxStatus)
	if err != nil {
		return
	}
	v.packages = parsePackages(text, v.wanted)
}

// parsePackages reads the versions of installed packages out of dpkg's database (deb-control(5)).
func parsePackages(text []byte, wanted map[string]bool) map[string]string {
	out := map[string]string{}
	name, installed := "", false
	for line := range bytes.Lines(text) {
		if v, ok := bytes.CutPrefix(line, []byte("Package: ")); ok {
			name, installed = string(bytes.TrimSpace(v)), false
		} else if v, ok := bytes.CutPrefix(line, []byte("Status: ")); ok {
			installed = bytes.HasSuffix(bytes.TrimSpace(v), []byte(" installed"))
		} else if v, ok := bytes.CutPrefix(line, []byte("Version: ")); ok && installed && wanted[name] {
			out[name] = string(bytes.TrimSpace(v))
		}
	}
	return out
}
