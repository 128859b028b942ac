package cassandra

import (
	"context"
	"log/slog"
	"sync"
	"time"

	gocql "github.com/apache/cassandra-gocql-driver/v2"
)

// driverLog passes the driver's messages on. When a node is away the driver says the same many times a second, so each
// message comes at most once in logInterval, with the number of those left out.
type driverLog struct {
	log *slog.Logger

	mu       sync.Mutex
	messages map[string]*logged
}

type logged struct {
	next    time.Time
	skipped int
}

const (
	logInterval = 30 * time.Second
	// maxLogged bounds the memory of messages: the driver has some hundred constant texts.
	maxLogged = 1000
)

func newDriverLog(log *slog.Logger) *driverLog {
	return &driverLog{log: log, messages: map[string]*logged{}}
}

// The driver's levels are one step lower here: what it calls an error is handled by the retries, and reaches the caller
// as an error when it is not.
func (l *driverLog) Error(msg string, fields ...gocql.LogField) { l.write(slog.LevelWarn, msg, fields) }
func (l *driverLog) Warning(msg string, fields ...gocql.LogField) {
	l.write(slog.LevelInfo, msg, fields)
}
func (l *driverLog) Info(msg string, fields ...gocql.LogField) { l.write(slog.LevelDebug, msg, fields) }
func (l *driverLog) Debug(string, ...gocql.LogField)           {} // one line a request and more

func (l *driverLog) write(level slog.Level, msg string, fields []gocql.LogField) {
	if !l.log.Enabled(context.Background(), level) {
		return
	}
	skipped, ok := l.admit(msg, time.Now())
	if !ok {
		return
	}
	attrs := make([]slog.Attr, 0, len(fields)+1)
	for _, f := range fields {
		attrs = append(attrs, slog.String(f.Name, f.Value.String()))
	}
	if skipped > 0 {
		attrs = append(attrs, slog.Int("left_out", skipped))
	}
	l.log.LogAttrs(context.Background(), level, "cassandra driver: "+msg, attrs...)
}

// admit says whether msg may be written now, and how many like it were not since the last one.
func (l *driverLog) admit(msg string, now time.Time) (skipped int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := l.messages[msg]
	if m == nil {
		if len(l.messages) >= maxLogged {
			return 0, false
		}
		m = &logged{}
		l.messages[msg] = m
	}
	if now.Before(m.next) {
		m.skipped++
		return 0, false
	}
	skipped, m.skipped, m.next = m.skipped, 0, now.Add(logInterval)
	return skipped, true
}
