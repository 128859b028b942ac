// Package services starts real programs of the distribution for tests, each in a folder of its own on free loopback
// ports below 32,000, with its status page on where it has one.
//
//	s := services.Start(t, "nginx") // skips the test when nginx is not installed
//	s.Addr                          // 127.0.0.1:23451
//	s.Stop(); s.Start()             // on the same ports
//
// What was started is ended when the test is.
package services

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Service is one program that runs, or ran.
type Service struct {
	Name string // as Names has it
	Addr string // host:port that is asked; of TCP, but "unbound" and "bind" serve UDP there too
	Port int
	Dir  string // everything of it is in there
	// Ports are the others by their use, such as "status"; Extra are texts: "status" is the URL of the status page,
	// "socket" a unix socket, "user" and "password" credentials.
	Ports map[string]int
	Extra map[string]string

	tb    testing.TB
	def   definition
	cmd   *exec.Cmd
	ended chan struct{} // closed when the program has ended
	log   *os.File
}

// definition is how a program is prepared and started.
type definition struct {
	programs []string // that are needed; patterns of paths, or names in the search path
	packages string   // of Debian that have them
	root     bool     // it needs to be started by root
	user     string   // that it runs as when root starts it; the program changes to it by itself when empty
	// prepare writes what the program needs into s.Dir, once.
	prepare func(s *Service) error
	// command is what is started; it stays in the foreground.
	command func(s *Service) *exec.Cmd
	// stop ends what the program does not end by itself; it may be nil.
	stop    func(s *Service)
	ready   func(s *Service) error // nil: it answers on Addr
	patient time.Duration          // for the start; 0 is 30 s
}

// Names returns the services that Start knows, sorted.
func Names() []string {
	var names []string
	for name := range definitions() {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// definitions are all services.
func definitions() map[string]definition {
	all := map[string]definition{}
	for _, some := range []map[string]definition{web(), databases(), messages(), mail(), network()} {
		for name, d := range some {
			all[name] = d
		}
	}
	return all
}

// Packages returns the Debian packages that all services need.
func Packages() []string {
	var out []string
	for _, d := range definitions() {
		out = append(out, strings.Fields(d.packages)...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// New prepares a service without starting it. It skips the test when a program is missing, or root is needed.
func New(tb testing.TB, name string) *Service {
	tb.Helper()
	def, ok := definitions()[name]
	if !ok {
		tb.Fatalf("there is no service %q: there are %s", name, strings.Join(Names(), ", "))
	}
	for _, p := range def.programs {
		if find(p) == "" {
			tb.Skipf("%s is not installed: apt-get install %s", filepath.Base(p), def.packages)
		}
	}
	if def.root && os.Getuid() != 0 {
		tb.Skipf("%s can be started by root only", name)
	}
	dir, err := os.MkdirTemp("", "hulotte-"+name+"-") // the folders of a test are closed to other users
	if err != nil {
		tb.Fatal(err)
	}
	s := &Service{Name: name, Dir: dir, Ports: map[string]int{}, Extra: map[string]string{}, tb: tb, def: def}
	tb.Cleanup(func() {
		s.Stop()
		_ = os.RemoveAll(dir) // it is in the folder for temporary files
	})
	s.Port = FreePort(tb)
	s.Addr = net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port))
	if err := errors.Join(os.Chmod(dir, 0o755), def.prepare(s), s.own()); err != nil {
		tb.Fatalf("cannot prepare %s: %v", name, err)
	}
	return s
}

// Start prepares and starts a service, and waits until it answers.
func Start(tb testing.TB, name string) *Service {
	tb.Helper()
	s := New(tb, name)
	s.Start()
	return s
}

// Start starts a service that does not run, on the ports that it had.
func (s *Service) Start() {
	s.tb.Helper()
	log, err := os.OpenFile(filepath.Join(s.Dir, "output.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o666)
	if err != nil {
		s.tb.Fatal(err)
	}
	cmd := s.def.command(s)
	cmd.Stdout, cmd.Stderr = log, log
	if cmd.Dir == "" {
		cmd.Dir = s.Dir
	}
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Setpgid = true // so that all that it starts can be ended
	if s.def.user != "" && os.Getuid() == 0 {
		cmd.SysProcAttr.Credential = credential(s.def.user)
	}
	if err := cmd.Start(); err != nil {
		s.tb.Fatalf("cannot start %s: %v", s.Name, err)
	}
	ended := make(chan struct{})
	s.cmd, s.log, s.ended = cmd, log, ended
	go func() {
		_ = cmd.Wait() // how it ended is told by its output
		close(ended)
	}()
	s.await()
}

// PID is the number of the process that was started.
func (s *Service) PID() int { return s.cmd.Process.Pid }

// await waits until the service answers.
func (s *Service) await() {
	s.tb.Helper()
	patience := s.def.patient
	if patience == 0 {
		patience = 30 * time.Second
	}
	ready := s.def.ready
	if ready == nil {
		ready = (*Service).connects
	}
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); {
		if err = ready(s); err == nil {
			return
		}
		select {
		case <-s.ended:
			s.tb.Fatalf("%s has ended at once:\n%s", s.Name, s.Output())
		case <-time.After(20 * time.Millisecond):
		}
	}
	s.tb.Fatalf("%s does not answer after %s: %v\n%s", s.Name, patience, err, s.Output())
}

// connects says whether a connection is taken.
func (s *Service) connects() error {
	c, err := net.DialTimeout("tcp", s.Addr, time.Second)
	if err != nil {
		return err
	}
	return c.Close()
}

// Output is the end of what the program wrote to its standard output and error.
func (s *Service) Output() string {
	text, err := os.ReadFile(filepath.Join(s.Dir, "output.log"))
	if err != nil {
		return err.Error()
	}
	return string(text[max(len(text)-4000, 0):])
}

// Stop ends a service, first with a word and then without; nothing happens when it does not run.
func (s *Service) Stop() { s.end(syscall.SIGTERM) }

// Kill ends a service without a word.
func (s *Service) Kill() { s.end(syscall.SIGKILL) }

func (s *Service) end(signal syscall.Signal) {
	if s.cmd == nil {
		return
	}
	group := -s.cmd.Process.Pid
	if signal == syscall.SIGKILL {
		_ = syscall.Kill(group, signal) // it may have ended already; so below
	} else {
		_ = s.cmd.Process.Signal(signal)
	}
	select {
	case <-s.ended:
	case <-time.After(15 * time.Second):
	}
	_ = syscall.Kill(group, syscall.SIGKILL)
	<-s.ended
	if s.def.stop != nil {
		s.def.stop(s)
	}
	for end := time.Now().Add(5 * time.Second); s.connects() == nil && time.Now().Before(end); {
		time.Sleep(5 * time.Millisecond) // what it has started holds the socket for a moment longer
	}
	_ = s.log.Close() // it is not written any more
	s.cmd = nil
}

// Restart stops and starts.
func (s *Service) Restart() {
	s.tb.Helper()
	s.Stop()
	s.Start()
}

// write puts a file into the folder; the text is a template with name=value pairs to replace {name}.
func (s *Service) write(name, text string) error {
	path := s.path(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(s.expand(text)), 0o644)
}

// expand replaces {dir}, {port} and {NAME} of another port.
func (s *Service) expand(text string) string {
	pairs := []string{"{dir}", s.Dir, "{port}", strconv.Itoa(s.Port)}
	for name, p := range s.Ports {
		pairs = append(pairs, "{"+name+"}", strconv.Itoa(p))
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

func (s *Service) path(name string) string { return filepath.Join(s.Dir, name) }

// port takes another free port.
func (s *Service) port(name string) int {
	s.Ports[name] = FreePort(s.tb)
	return s.Ports[name]
}

// args builds a command; words are separated by spaces and expanded.
func (s *Service) args(program, words string) *exec.Cmd {
	var args []string
	for _, w := range strings.Fields(words) {
		args = append(args, s.expand(w))
	}
	return exec.Command(find(program), args...)
}

// run runs a command to its end, as the user of the service.
func (s *Service) run(cmd *exec.Cmd) error {
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.Dir = s.Dir
	if s.def.user != "" && os.Getuid() == 0 {
		if err := s.own(); err != nil {
			return err
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: credential(s.def.user)}
	}
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w\n%s", filepath.Base(cmd.Path), err, out.String())
	}
	return nil
}

// own gives the folder to the user of the service.
func (s *Service) own() error {
	if s.def.user == "" || os.Getuid() != 0 {
		return nil
	}
	return s.give(s.Dir, s.def.user)
}

// give makes a user the owner of a folder with all that is in it.
func (s *Service) give(dir, name string) error {
	c := credential(name)
	return filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, int(c.Uid), int(c.Gid))
	})
}

// credential is that of a user, or of nobody when there is no such user.
func credential(name string) *syscall.Credential {
	u, err := user.Lookup(name)
	if err != nil {
		return &syscall.Credential{Uid: 65534, Gid: 65534}
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	if err1 != nil || err2 != nil {
		return &syscall.Credential{Uid: 65534, Gid: 65534}
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

// find returns the path of a program: a pattern of absolute paths, of which the last is taken, or a name; "" when it is
// not there.
func find(program string) string {
	if filepath.IsAbs(program) {
		found, _ := filepath.Glob(program) // the patterns are ours
		if len(found) == 0 {
			return ""
		}
		return found[len(found)-1]
	}
	if path, err := exec.LookPath(program); err == nil {
		return path
	}
	for _, dir := range []string{"/usr/sbin", "/sbin", "/usr/local/sbin"} {
		if st, err := os.Stat(filepath.Join(dir, program)); err == nil && !st.IsDir() {
			return filepath.Join(dir, program)
		}
	}
	return ""
}

// given are the ports that this process has handed out: they are free until their program starts.
var given struct {
	sync.Mutex
	ports map[int]bool
}

// FreePort returns a loopback port, of TCP and UDP, that nobody listens on. It is below those that the kernel gives to
// connections.
func FreePort(tb testing.TB) int {
	tb.Helper()
	given.Lock()
	defer given.Unlock()
	for range 200 {
		p := 15_000 + rand.IntN(16_000)
		if given.ports[p] || !isFree(p) {
			continue
		}
		if given.ports == nil {
			given.ports = map[int]bool{}
		}
		given.ports[p] = true
		return p
	}
	tb.Fatal("there is no free port between 15000 and 31000")
	return 0
}

func isFree(p int) bool {
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(p))
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return false
	}
	defer l.Close()
	u, err := net.ListenPacket("udp", addr)
	if err != nil {
		return false
	}
	return u.Close() == nil
}
