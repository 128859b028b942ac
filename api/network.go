package api

import (
	"context"
	"errors"
	"net/http"
)

// Network answers the pages about network devices, for the tenant of the context. A nil function answers that the thing is not there.
type Network struct {
	// Neighbours returns which devices are connected to which, as they said when they were read last: nodes and links.
	Neighbours func(ctx context.Context) (any, error)
}

func (a *api) networkRoutes() []route {
	return []route{{"GET", "/api/hulotte/v1/network/neighbours", a.shared(a.networkNeighbours)}}
}

func (a *api) networkNeighbours(*http.Request) answering {
	return func(ctx context.Context) (any, error) {
		if a.Network.Neighbours == nil {
			return nil, &apiError{kind: errUnavailable, err: errors.New("this process reads no network devices")}
		}
		return a.Network.Neighbours(ctx)
	}
}
