//go:build !linux

package cassandra

import "syscall"

// dieWithParent is a promise that only Linux keeps: elsewhere a program that is killed leaves its nodes behind.
func dieWithParent(a *syscall.SysProcAttr) *syscall.SysProcAttr { return a }
