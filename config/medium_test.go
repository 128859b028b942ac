package config

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestMediumRefuses(t *testing.T) {
	f := func(section string, want ...string) {
		t.Helper()
		_, err := loadText(t, "storage: {medium: "+section+"}\n", Sources{})
		if err == nil {
			t.Errorf("%q was accepted", section)
			return
		}
		for _, w := range want {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("%q: error %q lacks %q", section, err, w)
			}
		}
	}
	f("{type: s3}", "storage.medium.type", "local, cassandra")
	f("{local: {sync: never}}", "storage.medium.local.sync", "always, interval")
	f("{local: {sync_interval: 2m}}", "storage.medium.local.sync_interval", "more than 1m")
	f("{type: cassandra}", "storage.medium.cassandra.addresses", "db-1.example.org")
	f("{cassandra: {addresses: ['a:b']}}", "addresses", "db-1.example.org:9042")
	f("{cassandra: {addresses: ['http://a']}}", "addresses", "is not a host")
	f("{cassandra: {keyspace: 'a-b'}}", "keyspace", "a letter first")
	f("{cassandra: {password_file: f}}", "storage.medium.cassandra.username", "is not set")
	f("{cassandra: {username: u}}", "username", "password_file")
	f("{cassandra: {username: u, password: p, password_file: f}}", "choose one")
	f("{cassandra: {tls: {cert_file: c}}}", "tls.key_file")
	f("{cassandra: {timeout: 1m}}", "give_up_after", "must not be shorter")
	f("{cassandra: {replication: {north: many}}}", "replication", "1 to 9")
	f("{cassandra: {consistency: one}}", "local_quorum, quorum, all")
	f("{casandra: {}}", `did you mean "cassandra"`)
}

func TestMediumWarns(t *testing.T) {
	f := func(section, want string) {
		t.Helper()
		c, err := loadText(t, "storage: {medium: "+section+"}\n", Sources{})
		if err != nil {
			t.Errorf("%q: %v", section, err)
			return
		}
		var all []string
		for _, w := range c.Warnings {
			all = append(all, w.Error())
		}
		if got := strings.Join(all, "\n"); want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%q: warnings %q, want %q", section, got, want)
		}
	}
	f("{}", "")
	f("{cassandra: {addresses: [a]}}", "has no effect")
	f("{type: cassandra, cassandra: {addresses: [a, 'b:1', '[::1]:9042', '::1']}}", "")
	f("{type: cassandra, cassandra: {addresses: a, replication: {north: 3, south: 3}}}", "")
	f("{type: cassandra, cassandra: {addresses: a, replication_factor: 1}}", "when a host is lost, so is what lies on it")
	f("{type: cassandra, cassandra: {addresses: a, replication_factor: 2}}", "3 lets one be away")
}

func TestCassandraURL(t *testing.T) {
	f := func(url string, change func(*CassandraMedium)) {
		t.Helper()
		want := Config{}
		newTable(&want, Sources{})
		want.Storage.Medium.Type = MediumCassandra
		change(&want.Storage.Medium.Cassandra)
		got, err := CassandraURL(url)
		if err != nil || !reflect.DeepEqual(got, want.Storage.Medium) {
			t.Errorf("CassandraURL(%q) = %+v, %v\nwant %+v", url, got, err, want.Storage.Medium)
		}
	}
	f("cassandra://a", func(c *CassandraMedium) { c.Addresses = []string{"a"} })
	f("cassandra://a:1,b/space", func(c *CassandraMedium) { c.Addresses, c.Keyspace = []string{"a:1", "b"}, "space" })
	f("cassandra://al%2Fice@a,b/?replication_factor=1&tls.ca_file=/x.pem&password_file=p&timeout=20s&give_up_after=30s", func(c *CassandraMedium) {
		c.Addresses, c.Username, c.ReplicationFactor = []string{"a", "b"}, "al/ice", 1
		c.TLS.CAFile, c.PasswordFile, c.Timeout, c.GiveUpAfter = "/x.pem", "p", 20*time.Second, 30*time.Second
	})
}

func TestCassandraURLRefuses(t *testing.T) {
	f := func(url, want string) {
		t.Helper()
		if _, err := CassandraURL(url); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("CassandraURL(%q): %v, want %q", url, err, want)
		}
	}
	f("http://a", "cassandra://")
	f("cassandra://", "names no host")
	f("cassandra:///x", "names no host")
	f("cassandra://u:secret@a/", "?password_file=FILE")
	f("cassandra://u@a/", "without a password")
	f("cassandra://a/?passwort=x", "unknown parameter")
	f("cassandra://a/?password=x", "unknown parameter")
	f("cassandra://a/?retries=many", "whole number")
	f("cassandra://a/A", "keyspace's name")
	if _, err := CassandraURL("cassandra://u:secret@a/"); strings.Contains(err.Error(), "secret") {
		t.Errorf("the error tells the password: %v", err)
	}
}

// The password never shows, wherever it stands.
func TestMediumPasswordIsMasked(t *testing.T) {
	c, err := loadText(t, "storage: {medium: {cassandra: {username: u, password: hunter2}}}\n", Sources{})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := c.Show(&b); err != nil || strings.Contains(b.String(), "hunter2") {
		t.Errorf("Show: %v\n%s", err, b.String())
	}
}
