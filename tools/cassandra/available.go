package cassandra

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"time"
)

// javaMajor is the one Java version that Apache Cassandra 5.0 and the flags that this package writes both support:
// 5.0 was made for 11 and 17, and Java 24 no longer has the security manager that it installs.
const javaMajor = 17

// Available says whether a cluster can be started here: nil, or one line with what is missing and how to get it.
// Maven is needed only until the server has been downloaded.
func Available() error {
	o, err := Options{}.withDefaults()
	if err != nil {
		return err
	}
	_, javaErr := findJava()
	var mavenErr error
	if !downloaded(o.CacheDir) {
		_, mavenErr = findMaven()
	}
	switch {
	case javaErr != nil && mavenErr != nil:
		return fmt.Errorf("%w; %w", javaErr, mavenErr)
	case javaErr != nil:
		return javaErr
	default:
		return mavenErr
	}
}

func findMaven() (string, error) {
	path, err := exec.LookPath("mvn")
	if err != nil {
		return "", errors.New("no Maven here (apt-get install maven)")
	}
	return path, nil
}

// findJava returns the path of a java program of the right version: JAVA_HOME's, the PATH's, or Debian's.
func findJava() (string, error) {
	var candidates []string
	if home := os.Getenv("JAVA_HOME"); home != "" {
		candidates = append(candidates, filepath.Join(home, "bin", "java"))
	}
	if path, err := exec.LookPath("java"); err == nil {
		candidates = append(candidates, path)
	}
	debian, _ := filepath.Glob("/usr/lib/jvm/*-17-*/bin/java") // the pattern is well formed
	candidates = append(candidates, debian...)
	var seen string
	for _, c := range candidates {
		major, err := javaVersion(c)
		if err == nil && major == javaMajor {
			return c, nil
		}
		if err == nil {
			seen = fmt.Sprintf(" (%s is version %d)", c, major)
		}
	}
	return "", fmt.Errorf("no Java %d here%s (apt-get install openjdk-%d-jdk-headless, or set JAVA_HOME)", javaMajor, seen, javaMajor)
}

var javaVersionLine = regexp.MustCompile(`version "(\d+)`)

func javaVersion(java string) (int, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, java, "-version").CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("cannot ask %s for its version: %w", java, err)
	}
	return parseJavaVersion(string(out))
}

func parseJavaVersion(out string) (int, error) {
	m := javaVersionLine.FindStringSubmatch(out)
	if m == nil {
		return 0, fmt.Errorf("no version in %.80q", out)
	}
	return strconv.Atoi(m[1])
}
