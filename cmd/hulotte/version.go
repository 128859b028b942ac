package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/hulotte-dev/hulotte/app"
)

func versionCommand() *command {
	asJSON := false
	return &command{
		name:     "hulotte version",
		summary:  "Print which build this is.",
		examples: []string{"hulotte version", "hulotte version --json"},
		flags:    func(fs *flag.FlagSet) { fs.BoolVar(&asJSON, "json", false, "print JSON") },
		run: func(_ []string, s streams) int {
			if err := printVersion(s, build(), asJSON); err != nil {
				return exitFailed
			}
			return exitOK
		},
	}
}

func printVersion(s streams, b app.Build, asJSON bool) error {
	if asJSON {
		enc := json.NewEncoder(s.out)
		enc.SetIndent("", "  ")
		return enc.Encode(b)
	}
	modified := ""
	if b.Modified {
		modified = ", modified"
	}
	_, err := fmt.Fprintf(s.out, "hulotte %s (revision %s%s, %s, %s)\n", b.Version, b.Revision, modified, b.GoVersion, b.Platform)
	return err
}

// build reads what the linker and the Go command have left in the binary.
func build() app.Build {
	b := app.Build{Version: version, Revision: "unknown", GoVersion: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value
		case "vcs.time":
			b.Date = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	if b.Version == "" {
		b.Version = info.Main.Version
	}
	return b
}
