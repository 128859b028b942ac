package nrpe

import (
	"bufio"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Bounds of a configuration: files that include each other, and a file that is no configuration.
const (
	maxFiles    = 1000
	maxDepth    = 16
	maxCommands = 10_000
	maxFileSize = 4 << 20
)

// Config is what an nrpe.cfg says, with everything that it includes.
type Config struct {
	Address        string // server_address
	Port           int    // server_port; 0 when it does not say
	AllowedHosts   []string
	AllowArguments bool              // dont_blame_nrpe
	Commands       map[string]string // by name: the line as it stands
	Prefix         string            // command_prefix
	CommandTimeout time.Duration
	ConnectTimeout time.Duration // connection_timeout
	MaxCommands    int
	NastyMetachars string
	CAFile         string // ssl_cacert_file
	CertFile       string // ssl_cert_file
	KeyFile        string // ssl_privatekey_file
	NoAnonymous    bool   // ssl_use_adh=0
	ClientCerts    int    // ssl_client_certs: 0 not asked for, 1 asked for, 2 required
	Warnings       []string
	files          map[string]bool
}

// ignored are settings that have no meaning here, or that only say how the daemon runs.
var ignored = []string{"log_facility", "log_file", "debug", "pid_file", "nrpe_user", "nrpe_group", "allow_bash_command_substitution", "disable_syslog",
	"listen_queue_size", "allow_weak_random_seed", "ssl_version", "ssl_cipher_list", "ssl_logging", "keep_env_vars"}

// ReadConfig reads an nrpe.cfg. What is not understood is a warning, a file that cannot be read an error, as the daemon has it.
func ReadConfig(path string) (*Config, error) {
	c := &Config{Commands: map[string]string{}, NastyMetachars: nasty, CommandTimeout: time.Minute, files: map[string]bool{}}
	if err := c.file(path, 0); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *Config) warn(path string, line int, format string, args ...any) {
	if len(c.Warnings) < 100 {
		c.Warnings = append(c.Warnings, fmt.Sprintf("%s:%d: ", path, line)+fmt.Sprintf(format, args...))
	}
}

func (c *Config) file(path string, depth int) error {
	if depth > maxDepth || len(c.files) >= maxFiles {
		return fmt.Errorf("cannot read %s: files include each other %d deep, or are more than %d", path, maxDepth, maxFiles)
	}
	if c.files[path] {
		return nil // once is enough, and ends circles
	}
	c.files[path] = true
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("cannot read NRPE's configuration: %w", err)
	}
	defer f.Close()
	if fi, err := f.Stat(); err == nil && (!fi.Mode().IsRegular() || fi.Size() > maxFileSize) {
		return fmt.Errorf("cannot read %s: it is no file of at most %d MiB", path, maxFileSize>>20)
	}
	scanner := bufio.NewScanner(f)
	scanner.Buffer(nil, maxPayload)
	for n := 1; scanner.Scan(); n++ {
		line := strings.TrimSpace(scanner.Text())
		if line == "" || line[0] == '#' || line[0] == ';' {
			continue
		}
		name, value, ok := strings.Cut(line, "=")
		if !ok {
			c.warn(path, n, "%.80q is no setting: write name=value", line)
			continue
		}
		if err := c.set(path, n, depth, strings.TrimSpace(name), strings.TrimSpace(value)); err != nil {
			return fmt.Errorf("%s:%d: %w", path, n, err)
		}
	}
	if err := scanner.Err(); err != nil {
		return fmt.Errorf("cannot read %s: %w", path, err)
	}
	return nil
}

func (c *Config) set(path string, line, depth int, name, value string) (err error) {
	if command, ok := strings.CutPrefix(name, "command["); ok {
		command, closed := strings.CutSuffix(command, "]")
		switch {
		case !closed || command == "" || value == "":
			c.warn(path, line, "%.80q is no command: write command[name]=/path/of/plugin arguments", name)
		case len(c.Commands) >= maxCommands:
			return fmt.Errorf("there are more than %d commands", maxCommands)
		default:
			c.Commands[command] = value
		}
		return nil
	}
	switch name {
	case "include", "include_file":
		return c.include(path, line, depth, value)
	case "include_dir":
		return c.includeDir(path, line, depth, value)
	case "server_address":
		c.Address = value
	case "server_port":
		c.Port, err = number(name, value, 65535)
	case "allowed_hosts":
		c.AllowedHosts = nil
		for host := range strings.SplitSeq(value, ",") {
			if host = strings.TrimSpace(host); host != "" {
				c.AllowedHosts = append(c.AllowedHosts, host)
			}
		}
	case "dont_blame_nrpe":
		c.AllowArguments = value == "1"
	case "command_prefix":
		c.Prefix = value
	case "command_timeout":
		c.CommandTimeout, err = seconds(name, value)
	case "connection_timeout":
		c.ConnectTimeout, err = seconds(name, value)
	case "max_commands":
		c.MaxCommands, err = number(name, value, 1<<20)
	case "nasty_metachars":
		c.NastyMetachars = strings.NewReplacer(`\r`, "\r", `\n`, "\n", `\t`, "\t", `\\`, `\`).Replace(value)
	case "ssl_cacert_file":
		c.CAFile = value
	case "ssl_cert_file":
		c.CertFile = value
	case "ssl_privatekey_file":
		c.KeyFile = value
	case "ssl_use_adh":
		c.NoAnonymous = value == "0"
	case "ssl_client_certs":
		c.ClientCerts, err = number(name, value, 2)
	default:
		if !slices.Contains(ignored, name) {
			c.warn(path, line, "%.80q is no setting of NRPE", name)
		}
	}
	return err
}

func (c *Config) include(path string, line, depth int, file string) error {
	err := c.file(file, depth+1)
	if errors.Is(err, os.ErrNotExist) {
		c.warn(path, line, "%v", err)
		return nil
	}
	return err
}

// includeDir reads the files *.cfg of a folder and the folders in it.
func (c *Config) includeDir(path string, line, depth int, dir string) error {
	if depth > maxDepth {
		return fmt.Errorf("folders are more than %d deep", maxDepth)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		c.warn(path, line, "%v", err)
		return nil
	}
	for _, e := range entries {
		name := filepath.Join(dir, e.Name())
		fi, err := os.Stat(name)
		switch {
		case err != nil:
		case fi.IsDir():
			err = c.includeDir(path, line, depth+1, name)
		case strings.HasSuffix(name, ".cfg"):
			err = c.file(name, depth+1)
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// Names are the names of the commands, sorted.
func (c *Config) Names() []string { return slices.Sorted(maps.Keys(c.Commands)) }

func number(name, value string, limit int) (int, error) {
	n, err := strconv.Atoi(value)
	if err != nil || n < 0 || n > limit {
		return 0, fmt.Errorf("%s: %.40q is no number from 0 to %d", name, value, limit)
	}
	return n, nil
}

func seconds(name, value string) (time.Duration, error) {
	n, err := number(name, value, 86400)
	return time.Duration(n) * time.Second, err
}
