package api

import (
	"fmt"
	"log/slog"
)

// promLog hands promhttp's errors on to the log.
type promLog struct{ log *slog.Logger }

func (p promLog) Println(v ...any) {
	p.log.Error("cannot gather our own metrics", "error", fmt.Sprint(v...))
}
