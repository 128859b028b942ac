package cassandra

import "syscall"

// dieWithParent has the kernel kill the program when this one ends, however it ends, even stopped by SIGSTOP.
func dieWithParent(a *syscall.SysProcAttr) *syscall.SysProcAttr {
	a.Pdeathsig = syscall.SIGKILL
	return a
}
