package zabbix

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// Bounds of active mode.
const (
	maxActiveItems  = 10_000
	maxActiveAnswer = 16 << 20
	heartbeatEvery  = time.Minute
	maxBuffered     = 10_000 // values that wait while the server is away; the oldest go first
	sendEvery       = 5 * time.Second
	sendAtOnce      = 250 // values
	activeTimeout   = 30 * time.Second
)

// active is the dialogue with one server: which items it wants, and their values.
type active struct {
	a       *Agent
	server  string
	session string
	items   map[string]*activeItem
	buffer  []activeValue
	id      int
	down    bool // the server did not answer last time; said once
}

type activeItem struct {
	key   string
	id    json.RawMessage // by which servers from 7.0 on know it; none from older ones
	delay time.Duration
	next  time.Time
}

type activeValue struct {
	ID     int             `json:"id"`
	ItemID json.RawMessage `json:"itemid,omitempty"`
	Host   string          `json:"host"`
	Key    string          `json:"key"`
	Value  string          `json:"value"`
	State  int             `json:"state,omitempty"`
	Clock  int64           `json:"clock"`
	NS     int             `json:"ns"`
}

func newActive(a *Agent, server string) *active {
	if _, _, err := net.SplitHostPort(server); err != nil {
		server = net.JoinHostPort(server, "10051")
	}
	var session [16]byte
	_, _ = rand.Read(session[:]) // never fails
	return &active{a: a, server: server, session: hex.EncodeToString(session[:]), items: map[string]*activeItem{}}
}

// run asks for items, looks them up when they are due and sends their values, until ctx ends; then what is left is sent.
func (s *active) run(ctx context.Context) error {
	var refresh, send, beat time.Time
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
			defer cancel()
			s.send(last)
			return nil
		case <-timer.C:
		}
		now := time.Now()
		if !now.Before(refresh) {
			s.said(s.refresh(ctx, now))
			refresh = now.Add(s.a.o.Refresh)
			if s.down {
				refresh = now.Add(min(s.a.o.Refresh, time.Minute))
			}
		}
		if !s.down && !time.Now().Before(beat) {
			s.heartbeat(ctx)
			beat = time.Now().Add(heartbeatEvery)
		}
		next := s.lookUp(ctx, refresh)
		if !s.down && beat.Before(next) {
			next = beat
		}
		if len(s.buffer) > 0 && (!time.Now().Before(send) || len(s.buffer) >= sendAtOnce) {
			s.send(ctx)
			send = time.Now().Add(sendEvery)
		}
		if len(s.buffer) > 0 && send.Before(next) {
			next = send
		}
		timer.Reset(max(10*time.Millisecond, time.Until(next)))
	}
}

// said logs when the server goes and comes.
func (s *active) said(err error) {
	switch {
	case err != nil && !s.down:
		s.a.log.Warn("the Zabbix server does not answer active checks", "server", s.server, "err", err)
	case err == nil && s.down:
		s.a.log.Info("the Zabbix server answers again", "server", s.server)
	}
	s.down = err != nil
}

// heartbeat tells the server that active checks are alive, as agents do since 6.2; it is not answered. Older servers do not
// know it, and need it not.
func (s *active) heartbeat(ctx context.Context) {
	err := s.exchange(ctx, map[string]any{
		"request": "active check heartbeat", "host": s.a.o.Hostname, "heartbeat_freq": int(heartbeatEvery / time.Second),
	}, nil)
	if err != nil {
		s.a.log.Debug("the Zabbix server does not take a sign of life", "server", s.server, "err", err)
	}
}

// exchange sends a request and reads the answer, unless answer is nil.
func (s *active) exchange(ctx context.Context, request, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, activeTimeout)
	defer cancel()
	data, err := json.Marshal(request)
	if err != nil {
		return err
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", s.server)
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := conn.Write(appendCompressed(nil, data)); err != nil || answer == nil {
		return err
	}
	if data, err = readFrame(conn, maxActiveAnswer, nil); err != nil {
		return err
	}
	var status struct {
		Response string `json:"response"`
		Info     string `json:"info"`
	}
	if err := json.Unmarshal(data, &status); err != nil {
		return fmt.Errorf("the answer is no JSON: %w", err)
	}
	if status.Response != "success" {
		return fmt.Errorf("the server says %q: %.200s", status.Response, status.Info)
	}
	return json.Unmarshal(data, answer)
}

// refresh asks which items are wanted.
func (s *active) refresh(ctx context.Context, now time.Time) error {
	var answer struct {
		Data []struct {
			Key    string          `json:"key"`
			ItemID json.RawMessage `json:"itemid"`
			Delay  json.RawMessage `json:"delay"`
		} `json:"data"`
	}
	err := s.exchange(ctx, map[string]any{
		"request": "active checks", "host": s.a.o.Hostname, "host_metadata": s.a.o.Metadata, "version": Version, "variant": 2,
		"session": s.session, "config_revision": 0,
	}, &answer)
	if err != nil {
		return err
	}
	items := map[string]*activeItem{}
	for _, d := range answer.Data {
		if len(items) >= maxActiveItems {
			s.a.log.Warn("the Zabbix server wants too many items", "server", s.server, "items", len(answer.Data), "limit", maxActiveItems)
			break
		}
		delay, err := parseDelay(string(d.Delay))
		if err != nil {
			s.a.log.Warn("the Zabbix server wants an item with a delay that is not understood", "server", s.server, "key", d.Key, "err", err)
			continue
		}
		item := &activeItem{key: d.Key, id: d.ItemID, delay: delay, next: now}
		if old, ok := s.items[d.Key]; ok && old.delay == delay {
			item.next = old.next
		}
		items[d.Key] = item
	}
	s.items = items
	return nil
}

// parseDelay reads "30", "1m", or the first part of "30s;wd1-5h9-18".
func parseDelay(text string) (time.Duration, error) {
	text = strings.Trim(text, `"`)
	text, _, _ = strings.Cut(text, ";")
	unit := time.Second
	if n := len(text); n > 0 {
		switch text[n-1] {
		case 's':
			text = text[:n-1]
		case 'm':
			text, unit = text[:n-1], time.Minute
		case 'h':
			text, unit = text[:n-1], time.Hour
		case 'd':
			text, unit = text[:n-1], 24*time.Hour
		case 'w':
			text, unit = text[:n-1], 7*24*time.Hour
		}
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || time.Duration(n) > 366*24*time.Hour/unit {
		return 0, fmt.Errorf("%q is no delay from a second to a year", text)
	}
	return time.Duration(n) * unit, nil
}

// lookUp looks up the items that are due, and answers when the next one is, at most until.
func (s *active) lookUp(ctx context.Context, until time.Time) time.Time {
	next := until
	for _, item := range s.items {
		if ctx.Err() != nil {
			return next
		}
		now := time.Now()
		if !now.Before(item.next) {
			v := activeValue{ItemID: item.id, Host: s.a.o.Hostname, Key: item.key}
			value, err := s.a.Item(ctx, item.key)
			if v.Value = value; err != nil {
				v.Value, v.State = err.Error(), 1
			}
			v.Clock, v.NS = now.Unix(), now.Nanosecond()
			s.add(v)
			// Without drift; what was missed is not made up for.
			item.next = now.Add(item.delay - now.Sub(item.next)%item.delay)
		}
		if item.next.Before(next) {
			next = item.next
		}
	}
	return next
}

func (s *active) add(v activeValue) {
	if len(s.buffer) >= maxBuffered {
		s.buffer = append(s.buffer[:0], s.buffer[1:]...)
		s.a.sent.WithLabelValues("dropped").Inc()
	}
	s.id++
	v.ID = s.id
	s.buffer = append(s.buffer, v)
}

// send sends what waits; it stays when the server is away.
func (s *active) send(ctx context.Context) {
	for len(s.buffer) > 0 {
		part := s.buffer[:min(len(s.buffer), 1000)]
		now := time.Now()
		var answer struct{}
		err := s.exchange(ctx, map[string]any{
			"request": "agent data", "session": s.session, "version": Version, "variant": 2, "host": s.a.o.Hostname,
			"data": part, "clock": now.Unix(), "ns": now.Nanosecond(),
		}, &answer)
		if !errors.Is(err, context.Canceled) {
			s.said(err)
		}
		if err != nil {
			return
		}
		s.a.sent.WithLabelValues("sent").Add(float64(len(part)))
		s.buffer = append(s.buffer[:0], s.buffer[len(part):]...)
	}
}
