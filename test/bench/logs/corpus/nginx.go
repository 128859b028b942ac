package corpus

import (
	"strconv"
	"time"

	"github.com/hulotte-dev/hulotte/model"
)

type nginxStream struct {
	index  int
	labels []model.Field
}

var (
	referers = []string{"-", "https://shop.example.com/", "https://shop.example.com/cart", "https://www.google.com/", "https://shop.example.com/search?q=shoes"}
	agents   = []string{
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/129.0.0.0 Safari/537.36",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1",
		"Mozilla/5.0 (X11; Linux x86_64; rv:131.0) Gecko/20100101 Firefox/131.0",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.6 Safari/605.1.15",
		"curl/8.9.1",
		"Googlebot/2.1 (+http://www.google.com/bot.html)",
	}
	statuses = []string{"200", "200", "200", "200", "200", "200", "200", "304", "304", "301", "404", "499", "502"}
)

func newNginxStream(index, i int) nginxStream {
	return nginxStream{index: index, labels: []model.Field{
		{Name: "host", Value: "web-" + two(i)}, {Name: "job", Value: "nginx"}, {Name: "namespace", Value: "edge"},
	}}
}

// url makes one of the addresses that are asked for again and again.
func (c *Corpus) url() string {
	switch c.r.IntN(4) {
	case 0:
		return "/static/js/app." + strconv.FormatUint(c.r.Uint64()&0xffffff|0x1000000, 16) + ".js"
	case 1:
		return "/static/img/" + strconv.Itoa(c.r.IntN(10000)) + ".webp"
	case 2:
		return "/category/" + strconv.Itoa(c.r.IntN(50)) + "?page=" + strconv.Itoa(c.r.IntN(20))
	}
	return "/product/" + strconv.Itoa(c.r.IntN(100_000))
}

func (c *Corpus) appendNginx(at time.Time) {
	c.text(c.skewed(c.clients), " - - [")
	c.buf = at.AppendFormat(c.buf, "02/Jan/2006:15:04:05 -0700")
	c.text(`] "`, c.pick(methods), " ")
	if c.r.IntN(4) == 0 {
		c.text(c.skewed(paths))
		c.number(c.r.IntN(1_000_000))
	} else {
		c.text(c.skewed(c.urls))
	}
	c.text(` HTTP/1.1" `, c.pick(statuses), " ")
	c.number(int(c.r.ExpFloat64() * 12_000))
	rt := c.r.ExpFloat64() * 0.08
	c.text(` "`, c.skewed(referers), `" "`, c.skewed(agents), `" rt=`)
	c.decimal(rt, 3)
	c.text(" uct=0.00")
	c.number(c.r.IntN(4))
	c.text(" urt=")
	c.decimal(rt, 3)
	c.text(" backend=10.9.1.")
	c.number(c.r.IntN(40))
	c.text(":8080")
}
