// Package api stands in for github.com/hashicorp/nomad/api; see README.md.
package api
