package cassandra

import (
	"os"
	"os/exec"
	"strconv"
)

// ChildEnv makes the test binary a program that starts another one, says its pid, and waits to be killed.
const ChildEnv = "TEST_CASSANDRA_CHILD"

// RunChild is what the test binary does then.
func RunChild() int {
	p, err := startProcess(exec.Command("sleep", "600"))
	if err != nil {
		return 1
	}
	_, _ = os.Stdout.WriteString(strconv.Itoa(p.cmd.Process.Pid) + "\n")
	<-p.done
	return 0
}
