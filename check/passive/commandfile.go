package passive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// maxCommandLine is what a line may have at most. Longer ones are dropped.
const maxCommandLine = 64 << 10

// CommandFileOptions configures a CommandFile.
type CommandFileOptions struct {
	// Path of the named pipe, such as /var/lib/nagios4/rw/nagios.cmd. It is made when it is not there; another kind of file is an error.
	Path string
	// Mode of a pipe that is made; 0o620, as Nagios has it: the owner and its group may write.
	Mode os.FileMode
	// Actions are what commands do.
	Actions Actions
}

// CommandFile is Nagios' external command file: a named pipe into which programs write lines.
type CommandFile struct {
	o        CommandFileOptions
	file     *os.File
	made     bool
	log      *slog.Logger
	commands *prometheus.CounterVec
}

// OpenCommandFile makes and opens the pipe.
func OpenCommandFile(o CommandFileOptions, log *slog.Logger, reg prometheus.Registerer) (*CommandFile, error) {
	if o.Mode == 0 {
		o.Mode = 0o620
	}
	if !filepath.IsAbs(o.Path) {
		return nil, fmt.Errorf("the command file %q is a relative path: write the whole path", o.Path)
	}
	made := false
	err := syscall.Mkfifo(o.Path, uint32(o.Mode.Perm()))
	switch {
	case err == nil:
		made = true
		if err := os.Chmod(o.Path, o.Mode.Perm()); err != nil { // the mask of the process is no matter
			return nil, fmt.Errorf("cannot make the command file: %w", err)
		}
	case !errors.Is(err, syscall.EEXIST):
		return nil, fmt.Errorf("cannot make the command file %s: %w", o.Path, err)
	}
	// Opened for writing too, so that it does not end when the last writer goes.
	file, err := os.OpenFile(o.Path, os.O_RDWR|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot open the command file: %w", err)
	}
	if fi, err := file.Stat(); err != nil || fi.Mode()&os.ModeNamedPipe == 0 {
		_ = file.Close()
		return nil, fmt.Errorf("the command file %s is there already and no named pipe: remove it", o.Path)
	}
	return &CommandFile{o: o, file: file, made: made, log: log, commands: promauto.With(reg).NewCounterVec(prometheus.CounterOpts{
		Name: "hulotte_check_external_commands_total", Help: "Lines of the external command file by what became of them: done, malformed, unknown or failed.",
	}, []string{"result"})}, nil
}

// Serve carries out commands until ctx ends; then a pipe that was made is removed.
func (f *CommandFile) Serve(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = f.file.Close() })
	defer stop()
	defer func() {
		if err := f.Close(); err != nil {
			f.log.Warn("the command file cannot be removed", "err", err)
		}
	}()
	lines := lineReader{}
	buf := make([]byte, 64<<10)
	for {
		n, err := f.file.Read(buf)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("cannot read the command file: %w", err)
		}
		dropped := lines.add(buf[:n], func(line []byte) { f.line(ctx, string(line)) })
		if dropped > 0 {
			f.commands.WithLabelValues("malformed").Add(float64(dropped))
			f.log.Warn("a line of the command file is too long", "limit", maxCommandLine)
		}
	}
}

// Close closes the pipe, and removes it when it was made.
func (f *CommandFile) Close() error {
	_ = f.file.Close() // nothing was written
	if f.made {
		f.made = false
		return os.Remove(f.o.Path)
	}
	return nil
}

func (f *CommandFile) line(ctx context.Context, text string) {
	if len(bytes.TrimSpace([]byte(text))) == 0 {
		return
	}
	name, err := f.o.Actions.Do(ctx, text, time.Now())
	result := "done"
	switch {
	case errors.Is(err, errUnknownCommand):
		result = "unknown"
	case errors.Is(err, errMalformed):
		result = "malformed"
	case err != nil:
		result = "failed"
	}
	f.commands.WithLabelValues(result).Inc()
	if err != nil {
		f.log.Warn("an external command is not carried out", "command", name, "err", err)
	}
}

// lineReader puts lines together. A line that is too long is dropped to its end.
type lineReader struct {
	part []byte
	skip bool
}

func (l *lineReader) add(b []byte, f func(line []byte)) (dropped int) {
	for {
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			if l.part = append(l.part, b...); len(l.part) > maxCommandLine {
				l.part, l.skip = l.part[:0], true
			}
			return dropped
		}
		line := b[:i]
		if len(l.part) > 0 {
			l.part = append(l.part, line...)
			line = l.part
		}
		switch {
		case l.skip || len(line) > maxCommandLine:
			dropped++
			l.skip = false
		default:
			f(line)
		}
		l.part = l.part[:0]
		b = b[i+1:]
	}
}
