package nagios

import (
	"slices"
	"strings"

	"github.com/hulotte-dev/hulotte/check"
	"github.com/hulotte-dev/hulotte/model"
)

// taken are the directives that are read elsewhere, or only say how things look; alerting those that belong to alerting.
var (
	taken = words(`host_name alias display_name address parents hostgroups check_command check_interval retry_interval max_check_attempts active_checks_enabled
passive_checks_enabled check_period check_freshness freshness_threshold event_handler event_handler_enabled low_flap_threshold high_flap_threshold
flap_detection_enabled notification_period notifications_enabled notes notes_url action_url icon_image icon_image_alt statusmap_image vrml_image 2d_coords
3d_coords service_description hostgroup_name servicegroups is_volatile contacts contact_groups use name register gd2_image
retain_status_information retain_nonstatus_information process_perf_data obsess obsess_over_host obsess_over_service failure_prediction_enabled
parallelize_check hourly_value importance`)
	alerting = words("notification_interval notification_options first_notification_delay")
)

func words(text string) map[string]bool {
	out := map[string]bool{}
	for _, w := range strings.Fields(text) {
		out[w] = true
	}
	return out
}

// leftOut warns of the directives of a host or service that are not taken over.
func (b *builder) leftOut(o *object) {
	for key, a := range o.attrs {
		switch {
		case key == "parents" && o.kind == "service":
			b.warnings.add(a.place, "parents of a service are left out: write a servicedependency")
		case taken[key] || strings.HasPrefix(key, "_"):
		case alerting[key]:
			b.warnings.add(a.place, "%s belongs to alerting and is left out", key)
		case key == "initial_state":
			b.warnings.add(a.place, "initial_state is left out: a check is PENDING until it is asked")
		case key == "flap_detection_options" || key == "stalking_options":
			b.warnings.add(a.place, "%s is left out", key)
		default:
			b.warnings.add(a.place, "there is no directive %q of a %s", key, o.kind)
		}
	}
}

var failures = map[string][]model.Status{
	"o": {model.OK}, "w": {model.Warning}, "u": {model.Unknown}, "c": {model.Critical}, "p": {model.Pending},
}

// A host is down or unreachable when its check is CRITICAL or UNKNOWN.
var hostFailures = map[string][]model.Status{
	"o": {model.OK, model.Warning}, "d": {model.Critical, model.Unknown}, "u": {model.Critical, model.Unknown}, "p": {model.Pending},
}

// criteria reads the statuses at which a dependency fails.
func (b *builder) criteria(o *object, key string, of map[string][]model.Status) []model.Status {
	var out []model.Status
	for _, c := range o.list(key) {
		c = strings.ToLower(c)
		statuses, ok := of[c[:1]]
		switch {
		case c[:1] == "n":
			return nil
		case !ok:
			b.warnings.add(o.at(key), "%s: there is no %q", key, c)
		}
		for _, s := range statuses {
			if !slices.Contains(out, s) {
				out = append(out, s)
			}
		}
	}
	slices.Sort(out)
	return out
}

// dependencies returns what an object of dependency means for one master: that nobody is told, and that nothing is asked.
func (b *builder) dependencies(o *object, of map[string][]model.Status) []check.Dependency {
	quiet, noCheck := b.criteria(o, "notification_failure_criteria", of), b.criteria(o, "execution_failure_criteria", of)
	if o.get("dependency_period") != "" {
		b.warnings.add(o.at("dependency_period"), "dependency_period is left out: the dependency holds at all times")
	}
	var out []check.Dependency
	if len(quiet) > 0 && !slices.Equal(quiet, noCheck) {
		out = append(out, check.Dependency{FailOn: quiet})
	}
	if len(noCheck) > 0 {
		out = append(out, check.Dependency{FailOn: noCheck, NoCheck: true})
		if len(quiet) == 0 {
			b.warnings.add(o.place, "a dependency that forbids to ask keeps people from hearing here, too")
		}
	}
	if len(out) == 0 {
		b.warnings.add(o.place, "a dependency without failure criteria does nothing")
	}
	return out
}

func (b *builder) hostDependencies() {
	for _, o := range b.resolve("hostdependency") {
		deps := b.dependencies(o, hostFailures)
		masters := b.hostsOf(o, "host_name", "hostgroup_name")
		for _, host := range b.hostsOf(o, "dependent_host_name", "dependent_hostgroup_name") {
			for _, master := range masters {
				b.depend(o, host+"\x00"+check.HostCheck, master+"\x00"+check.HostCheck, deps)
			}
		}
	}
}

func (b *builder) serviceDependencies() {
	for _, o := range b.resolve("servicedependency") {
		deps := b.dependencies(o, failures)
		masters := b.ofServices(o, "host_name", "hostgroup_name", "service_description", "servicegroup_name")
		sameHost := o.get("dependent_host_name")+o.get("dependent_hostgroup_name")+o.get("dependent_servicegroup_name") == ""
		if sameHost {
			for _, m := range masters {
				host, _, _ := strings.Cut(m, "\x00")
				for _, name := range o.list("dependent_service_description") {
					b.depend(o, host+"\x00"+name, m, deps)
				}
			}
			continue
		}
		for _, d := range b.ofServices(o, "dependent_host_name", "dependent_hostgroup_name", "dependent_service_description", "dependent_servicegroup_name") {
			for _, m := range masters {
				b.depend(o, d, m, deps)
			}
		}
	}
}

// ofServices returns host\x00description of the services that a dependency is about.
func (b *builder) ofServices(o *object, hosts, hostGroups, descriptions, serviceGroups string) []string {
	var out []string
	for _, host := range b.hostsOf(o, hosts, hostGroups) {
		for _, name := range o.list(descriptions) {
			if name != "*" {
				out = append(out, host+"\x00"+name)
				continue
			}
			for key := range b.names {
				if h, n, _ := strings.Cut(key, "\x00"); h == host && n != check.HostCheck {
					out = append(out, key)
				}
			}
		}
	}
	for _, group := range o.list(serviceGroups) {
		for key, id := range b.names {
			if slices.Contains(b.result.Specs[b.specs[id]].Groups, group) {
				out = append(out, key)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func (b *builder) depend(o *object, dependent, master string, deps []check.Dependency) {
	if dependent == master {
		return
	}
	for _, key := range []string{dependent, master} {
		if b.names[key] == "" {
			host, name, _ := strings.Cut(key, "\x00")
			b.warnings.add(o.place, "a dependency names the check %q of host %q, which there is not", name, host)
			return
		}
	}
	spec := &b.result.Specs[b.specs[b.names[dependent]]]
	for _, d := range deps {
		d.Host, d.Name, _ = strings.Cut(b.names[master], "/")
		spec.DependsOn = append(spec.DependsOn, d)
	}
}

// finish adds the groups, and warns of what belongs elsewhere.
func (b *builder) finish() {
	b.result.HostGroups = map[string]string{}
	for name, g := range b.groups {
		b.result.HostGroups[name] = g.get("alias")
	}
	for _, kind := range []string{"hostescalation", "serviceescalation"} {
		for _, o := range b.objects[kind] {
			b.warnings.add(o.place, "a %s belongs to alerting and is left out", kind)
		}
	}
	for _, kind := range []string{"contact", "contactgroup"} {
		for _, o := range b.objects[kind] {
			b.warnings.add(o.place, "a %s belongs to alerting: its name is kept as a label of what it is told of", kind)
		}
	}
	for _, kind := range []string{"hostextinfo", "serviceextinfo"} {
		for _, o := range b.objects[kind] {
			b.warnings.add(o.place, "a %s is left out: write its notes into the host or service", kind)
		}
	}
}
