package config

import (
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"

	"github.com/hulotte-dev/hulotte/model"
	"github.com/hulotte-dev/hulotte/store/series"
	promhttp "github.com/prometheus/common/config"
)

// ForwardOptions are those of what `hulotte agent` sends. The error tells of files that cannot be read.
func (c *Config) ForwardOptions() (series.ForwardOptions, error) {
	a := c.Agent
	u, err := url.Parse(a.Server)
	if err != nil {
		return series.ForwardOptions{}, fmt.Errorf("agent.server: %w", err)
	}
	client, err := c.agentClient()
	if err != nil {
		return series.ForwardOptions{}, fmt.Errorf("cannot prepare the connection to agent.server: %w", err)
	}
	header := http.Header{}
	for name, word := range a.Headers {
		header.Set(name, word)
	}
	if a.Tenant != "" {
		header.Set(model.TenantHeader, a.Tenant)
	}
	return series.ForwardOptions{
		Dir:            filepath.Join(c.DataDir, "forward"),
		URL:            u.JoinPath("api/v1/write").String(),
		Client:         client,
		Header:         header,
		ExternalLabels: c.Scrape.Prometheus().GlobalConfig.ExternalLabels,
		MaxBytes:       a.BufferSize,
		MaxAge:         a.BufferAge,
		Timeout:        a.Timeout,
		SyncInterval:   off(c.Storage.Series.SyncInterval),
	}, nil
}

// agentClient is Prometheus' HTTP client, which reads changed passwords, tokens and certificates again.
func (c *Config) agentClient() (*http.Client, error) {
	a := c.Agent
	h := promhttp.DefaultHTTPClientConfig
	h.TLSConfig = promhttp.TLSConfig{
		CAFile: a.TLS.CAFile, CertFile: a.TLS.CertFile, KeyFile: a.TLS.KeyFile,
		ServerName: a.TLS.ServerName, InsecureSkipVerify: a.TLS.InsecureSkipVerify,
	}
	if a.Username != "" {
		h.BasicAuth = &promhttp.BasicAuth{Username: a.Username, Password: promhttp.Secret(a.Password), PasswordFile: a.PasswordFile}
	}
	if a.BearerToken != "" || a.BearerTokenFile != "" {
		h.Authorization = &promhttp.Authorization{Type: "Bearer", Credentials: promhttp.Secret(a.BearerToken), CredentialsFile: a.BearerTokenFile}
	}
	h.ProxyFromEnvironment = a.ProxyURL == ""
	if a.ProxyURL != "" {
		u, err := url.Parse(a.ProxyURL)
		if err != nil {
			return nil, err
		}
		h.ProxyURL = promhttp.URL{URL: u}
	}
	if err := h.Validate(); err != nil {
		return nil, err
	}
	return promhttp.NewClientFromConfig(h, "agent")
}

// warnAgent tells of what an agent does not do.
func (c *Config) warnAgent() {
	if c.role != AgentRole {
		return
	}
	p := c.Scrape.Prometheus()
	for _, block := range []struct {
		key  string
		some bool
	}{
		{"rule_files", len(p.RuleFiles) > 0},
		{logRulesKey, len(c.Query.Logs.RuleFiles) > 0},
		{"remote_write", len(p.RemoteWriteConfigs) > 0},
	} {
		if block.some {
			c.Warnings = append(c.Warnings, Error{Key: block.key, Text: "has no effect in `hulotte agent`: everything goes to agent.server, and rules are evaluated there"})
		}
	}
}
