// Package scrape collects metrics from targets over HTTP, the way Prometheus does and with its own code: Load
// takes a prometheus.yml as it is, and a Manager keeps its service discoveries and scrapes running.
//
// What is added around Prometheus' packages: limits that are on by default (limits.go), errors that name the
// setting to change, a sink that keeps what a refused scrape brought out of the store (sink.go), and a first
// scrape right after the start. Which discoveries are built in is decided in discoveries.go.
package scrape
