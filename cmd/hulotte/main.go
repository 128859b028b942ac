// Command hulotte is the observability platform in one binary; `hulotte --help` says how it is used.
package main

import (
	"os"
)

// version is set by the linker: -ldflags "-X main.version=1.2.3".
var version = ""

func main() {
	os.Exit(root().execute(os.Args[1:], streams{out: os.Stdout, err: os.Stderr}))
}
