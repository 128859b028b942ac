//go:build !linux

package services

import "errors"

func setThreadUser(int) error { return errors.New("not possible on this system") }
