package tail

import (
	"os/exec"
	"syscall"
)

// endWithUs ends a child that this process can no longer end itself, because it was killed.
func endWithUs(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM} }
