// Package rule evaluates recording and alerting rules on a clock, with Prometheus' own rule engine: the files,
// the evaluation, the series ALERTS and ALERTS_FOR_STATE and the states of alerts are those of Prometheus.
//
// What is added around it: a reload reports every error of every file at once and changes nothing when there
// is one; files are bounded; and the state is given out as plain values for the API.
package rule
