package notify

import (
	"cmp"
	"context"
	"maps"
	"slices"

	amalert "github.com/prometheus/alertmanager/alert"
	amconfig "github.com/prometheus/alertmanager/config"
	amnotify "github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/alertmanager/notify/email"
	"github.com/prometheus/alertmanager/template"
	commoncfg "github.com/prometheus/common/config"
	promodel "github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"
)

// mail is Alertmanager's email, to those who are on call.
type mail struct {
	settings `yaml:"-"`

	Conf amconfig.EmailConfig `yaml:",inline"`
	tmpl *template.Template
}

func newMail() addressed { return &mail{settings: defaults()} }

// UnmarshalYAML reads Alertmanager's fields of an entry of email_configs; `to` is each person's.
func (m *mail) UnmarshalYAML(n *yaml.Node) error {
	c := *n
	c.Content = append(slices.Clone(n.Content), &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: "to"}, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: "x@invalid"})
	return c.Decode(&m.Conf)
}

func (m *mail) finish(e *Extra, tmpl *template.Template) error {
	m.tmpl = tmpl
	c, g := &m.Conf, e.Global
	c.TLSConfig.SetDirectory(e.Folder)
	c.AuthPasswordFile, c.AuthSecretFile = commoncfg.JoinDir(e.Folder, c.AuthPasswordFile), commoncfg.JoinDir(e.Folder, c.AuthSecretFile)
	if g == nil {
		d := amconfig.DefaultGlobalConfig()
		g = &d
	}
	c.TLSConfig = cmp.Or(c.TLSConfig, g.SMTPTLSConfig)
	c.Smarthost = cmp.Or(c.Smarthost, g.SMTPSmarthost)
	c.From = cmp.Or(c.From, g.SMTPFrom)
	switch {
	case c.Smarthost.String() == "":
		return badField("smarthost", "is missing, and global.smtp_smarthost too")
	case c.From == "":
		return badField("from", "is missing, and global.smtp_from too")
	}
	c.Hello = cmp.Or(c.Hello, g.SMTPHello)
	c.AuthUsername = cmp.Or(c.AuthUsername, g.SMTPAuthUsername)
	if c.AuthPassword == "" && c.AuthPasswordFile == "" {
		c.AuthPassword, c.AuthPasswordFile = g.SMTPAuthPassword, g.SMTPAuthPasswordFile
	}
	c.AuthSecret = cmp.Or(c.AuthSecret, g.SMTPAuthSecret)
	c.AuthSecretFile = cmp.Or(c.AuthSecretFile, g.SMTPAuthSecretFile)
	c.AuthIdentity = cmp.Or(c.AuthIdentity, g.SMTPAuthIdentity)
	if c.RequireTLS == nil {
		require := g.SMTPRequireTLS
		c.RequireTLS = &require
	}
	if c.ForceImplicitTLS == nil {
		c.ForceImplicitTLS = g.SMTPForceImplicitTLS
	}
	return nil
}

func (m *mail) check() error { return nil }

func (m *mail) to(address string) addressed {
	c := *m
	c.Conf.To = address
	c.Conf.Headers = maps.Clone(m.Conf.Headers)
	return &c
}

// send has no more than Alertmanager's own receiver. Where to acknowledge is among the annotations, which its template shows.
func (m *mail) send(_ context.Context, p *page) (bool, error) {
	alerts := p.alerts
	if p.AckURL != "" {
		alerts = make([]*amalert.Alert, len(p.alerts))
		for i, a := range p.alerts {
			c := *a
			c.Annotations = maps.Clone(a.Annotations)
			if c.Annotations == nil {
				c.Annotations = promodel.LabelSet{}
			}
			c.Annotations["acknowledge"] = promodel.LabelValue(p.AckURL)
			alerts[i] = &c
		}
	}
	var n amnotify.Notifier = email.New(&m.Conf, m.tmpl, p.log)
	return n.Notify(p.ctx, alerts...)
}
