package app

import (
	"context"

	"github.com/hulotte-dev/hulotte/api"
	"github.com/hulotte-dev/hulotte/store/upkeep"
)

// storage answers the API about where everything rests.
func (a *App) storage() api.Storage {
	k := a.made.keeper
	overview := newStorageOverview(a)
	return api.Storage{
		Overview: func(ctx context.Context) (any, error) { return overview.get(ctx), nil },
		Verify:   a.verify,
		StartVerify: func(by string) (any, error) {
			m, err := a.made.medium.get()
			if err != nil {
				return nil, err
			}
			return k.Start(upkeep.Verify, by, func(run *upkeep.Active) { upkeep.VerifyAll(run, m, a.made.store) })
		},
		Stop:   func(by string) (any, error) { return k.Stop(by) },
		Backup: a.backup,
	}
}

func (a *App) verify(ctx context.Context, by string, tell func(any) error) error {
	m, err := a.made.medium.get()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	run, err := a.made.keeper.Begin(ctx, upkeep.Verify, by, func(e upkeep.Event) {
		if tell(e) != nil {
			cancel() // nobody listens
		}
	})
	if err != nil {
		return err
	}
	upkeep.VerifyAll(run, m, a.made.store)
	return nil
}
