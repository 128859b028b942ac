//go:build !linux

package tail

import "os/exec"

func endWithUs(*exec.Cmd) {} // it ends when its pipe is closed
