package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// examples is the folder that holds the applications, seen from the root of the repository.
const examples = "examples"

// prepare builds the shop and sets up the quotes application in a virtual environment of its own. It returns the folder of its programs.
func prepare(ctx context.Context, o options) (python string, err error) {
	fmt.Println("building the shop")
	build := exec.CommandContext(ctx, "go", "build", "-o", filepath.Join(o.folder, "shop"), ".")
	build.Dir = filepath.Join(examples, "go-shop")
	if err := quietly(build); err != nil {
		return "", err
	}
	environment := filepath.Join(o.folder, "python")
	python = filepath.Join(environment, "bin")
	if err := environmentFor(ctx, environment, filepath.Join(examples, "django-quotes", "requirements.txt")); err != nil {
		return "", err
	}
	migrate := exec.CommandContext(ctx, filepath.Join(python, "python"), "manage.py", "migrate", "--verbosity=0")
	migrate.Dir = filepath.Join(examples, "django-quotes")
	migrate.Env = quotesEnvironment(o)
	return python, quietly(migrate)
}

// environmentFor makes the virtual environment, unless it was made for the same requirements before.
func environmentFor(ctx context.Context, folder, requirements string) error {
	want, err := os.ReadFile(requirements)
	if err != nil {
		return err
	}
	stamp := filepath.Join(folder, "requirements.txt")
	if have, err := os.ReadFile(stamp); err == nil && bytes.Equal(have, want) {
		return nil
	}
	fmt.Println("setting up Python (a minute, the first time)")
	if err := quietly(exec.CommandContext(ctx, "python3", "-m", "venv", folder)); err != nil {
		return fmt.Errorf("%w\nPython 3.10 or newer with venv is needed: on Debian and Ubuntu, apt install python3-venv", err)
	}
	if err := quietly(exec.CommandContext(ctx, filepath.Join(folder, "bin", "pip"), "install", "--quiet", "--disable-pip-version-check", "-r", requirements)); err != nil {
		return err
	}
	return os.WriteFile(stamp, want, 0o644)
}

// quietly runs a program, and shows what it printed when it fails.
func quietly(c *exec.Cmd) error {
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", c, err, out)
	}
	return nil
}

// quotesEnvironment is that of the quotes application.
func quotesEnvironment(o options) []string {
	return append(os.Environ(), "QUOTES_DATABASE="+filepath.Join(o.folder, "quotes.sqlite3"), "DJANGO_SETTINGS_MODULE=quotes.settings",
		"PYTHONDONTWRITEBYTECODE=1", "OTEL_SERVICE_NAME=quotes", endpoint)
}

// endpoint is where both applications send to: Hulotte, in its default configuration.
const endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318"
