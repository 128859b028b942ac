package config

import (
	_ "embed"
	"fmt"
	"strings"
)

//go:embed reference.md
var referenceIntro string

// Reference is docs/configuration.md: the introduction, and every key with its meaning.
func Reference() string {
	var b strings.Builder
	b.WriteString(referenceIntro)
	top := ""
	for _, k := range keys(&Config{}, Sources{}) {
		if s, _, _ := strings.Cut(k.Path, "."); s != top {
			top = s
			fmt.Fprintf(&b, "\n### `%s`\n", top)
		}
		fmt.Fprintf(&b, "\n**`%s`** (%s; %s)  \n%s%s  \nEnvironment: `%s`\n", k.Path, k.value.kind(), defaultText(k), k.Doc, liveText(k), k.Env())
	}
	return b.String()
}

// machineDefaults are those that depend on where Hulotte runs.
var machineDefaults = map[string]string{
	"data_dir":      "default: see below",
	"host.instance": "default: the host's name",
	"host.enabled":  "default `true`, `false` for `hulotte server`",
	"logs.enabled":  "default `true`, `false` for `hulotte server`",
}

func defaultText(k Key) string {
	if text, ok := machineDefaults[k.Path]; ok {
		return text
	}
	if k.Default == "" {
		return "empty by default"
	}
	return "default `" + k.Default + "`"
}

func liveText(k Key) string {
	if k.Live {
		return " A reload applies a change."
	}
	return ""
}
