package cmdline

import "slices"

// Titles of groups of commands.
const Containers = "CONTAINERS"

// A group of commands in the help of minirun.
type group struct {
	title   string
	entries []entry
}

// An entry is a command with examples, which fit into 80 columns.
type entry struct {
	name     string
	examples []string
}

// InGroup reports whether a command is in a group.
func InGroup(title, name string) bool {
	for i := range catalogue {
		if catalogue[i].title == title {
			return slices.ContainsFunc(catalogue[i].entries, func(e entry) bool { return e.name == name })
		}
	}
	return false
}

// examplesOf returns the examples of a command, with the names of its parent commands.
func examplesOf(name string) []string {
	if name == "" {
		return []string{
			"minirun run -it --rm debian bash    # a shell in a container, removed at its end",
			"minirun build -t app . && minirun run -d -p 8080:80 --name web app",
			"minirun doctor                      # can this machine run containers?",
		}
	}
	for i := range catalogue {
		for j := range catalogue[i].entries {
			if e := &catalogue[i].entries[j]; e.name == name {
				return e.examples
			}
		}
	}
	return nil
}

// catalogue lists all commands in the order of the help. Names with a space are subcommands, which
// only have examples here. It is data without pointers to code, so that it costs nothing at start-up.
var catalogue = [...]group{
	{Containers, []entry{
		{"run", []string{
			"minirun run -it --rm debian bash",
			"minirun run -d --name web -p 8080:80 nginx",
			"minirun spec --bundle box && minirun run box",
		}},
		{"ps", []string{"minirun ps -a", "minirun ps -q", "minirun ps web"}},
		{"logs", []string{"minirun logs -f web", "minirun logs --tail 20 -t web"}},
		{"exec", []string{"minirun exec -it web sh", "minirun exec -e DEBUG=1 -w /srv web env"}},
		{"start", []string{"minirun start web"}},
		{"attach", []string{"minirun attach web", "minirun attach --detach-keys ctrl-x,x web"}},
		{"stop", []string{"minirun stop web", "minirun stop -t 30 web db"}},
		{"restart", []string{"minirun restart web", "minirun restart -t 1 web db"}},
		{"kill", []string{"minirun kill web", "minirun kill web HUP"}},
		{"rm", []string{"minirun rm web", "minirun rm -f $(minirun ps -aq)"}},
		{"wait", []string{"minirun wait web", "minirun wait web && echo exited"}},
		{"cp", []string{"minirun cp web:/etc/nginx/nginx.conf .", "minirun cp site/. web:/srv"}},
		{"diff", []string{"minirun diff web", "minirun diff web | grep ^A"}},
		{"commit", []string{"minirun commit web web:saved", "minirun commit -m 'with vim' web web:vim"}},
		{"rename", []string{"minirun rename web www", "minirun rename run-812 db"}},
		{"port", []string{"minirun port web", "minirun port web 80/tcp"}},
		{"stats", []string{"minirun stats", "minirun stats --no-stream web"}},
		{"top", []string{"minirun top web", "minirun top web -o pid,args"}},
		{"pause", []string{"minirun pause web"}},
		{"resume", []string{"minirun resume web"}},
		{"unpause", []string{"minirun unpause web"}},
		{"update", []string{"minirun update --memory 512m web", "minirun update --pids-limit 100 web"}},
		{"container", []string{"minirun container ls -a", "minirun container prune -f"}},
		{"export", []string{"minirun export web > web.tar", "minirun export -o web.tar web"}},
		{"container prune", []string{"minirun container prune", "minirun container prune -f"}},
	}},
	{"IMAGES", []entry{
		{"images", []string{"minirun images", "minirun images -q debian"}},
		{"pull", []string{"minirun pull debian", "minirun pull --platform linux/arm64 alpine:3.20"}},
		{"push", []string{"minirun push registry.example/app:1.2"}},
		{"tag", []string{"minirun tag app registry.example/app:1.2"}},
		{"rmi", []string{"minirun rmi app:old", "minirun rmi $(minirun images -q app)"}},
		{"history", []string{"minirun history debian", "minirun history --no-trunc app"}},
		{"load", []string{"minirun load -i app.tar", "docker save app | minirun load"}},
		{"save", []string{"minirun save -o app.tar app", "minirun save app | gzip > app.tar.gz"}},
		{"import", []string{"minirun import rootfs.tar.gz base:1", "minirun import -c 'CMD [\"sh\"]' - base < rootfs.tar"}},
		{"imagetools", []string{"minirun imagetools inspect debian"}},
		{"imagetools create", []string{"minirun imagetools create -t r.example/app:1 r.example/app:{amd64,arm64}"}},
		{"imagetools inspect", []string{"minirun imagetools inspect debian", "minirun imagetools inspect --raw debian"}},
		{"login", []string{"minirun login registry.example", "minirun login -u me --password-stdin r.example < token"}},
		{"logout", []string{"minirun logout registry.example"}},
		{"prune", []string{"minirun prune", "minirun prune --all"}},
		{"store", []string{"minirun store check", "minirun store init"}},
		{"store check", []string{"minirun store check", "minirun store check --quick"}},
		{"store init", []string{"minirun store init"}},
		{"unpack", []string{"minirun unpack debian", "minirun unpack debian rootfs"}},
		{"bundle", []string{"minirun bundle debian box && minirun run box"}},
		{"image", []string{"minirun image ls", "minirun image prune"}},
	}},
	{"BUILDS", []entry{
		{"build", []string{
			"minirun build -t app .",
			"minirun build -t app --target test --build-arg VERSION=2 .",
			"minirun build --explain text .",
		}},
		{"build bake", []string{"minirun build bake", "minirun build bake --print app"}},
		{"build du", []string{"minirun build du", "minirun build du --filter until=24h"}},
		{"build prune", []string{"minirun build prune", "minirun build prune --max-used-space 10GB"}},
		{"build history", []string{"minirun build history ls", "minirun build history logs"}},
		{"build history ls", []string{"minirun build history ls", "minirun build history ls --filter status=error"}},
		{"build history inspect", []string{"minirun build history inspect"}},
		{"build history logs", []string{"minirun build history logs"}},
		{"build history rm", []string{"minirun build history rm --all"}},
		{"build history export", []string{"minirun build history export --all -o builds.tar"}},
		{"builder", []string{"minirun builder build -t app .", "minirun builder prune"}},
		{"buildx", []string{"minirun buildx build -t app .", "minirun buildx du"}},
		{"buildx ls", []string{"minirun buildx ls"}},
	}},
	{"NETWORKS AND VOLUMES", []entry{
		{"network", []string{"minirun network create backend", "minirun network ls"}},
		{"network create", []string{"minirun network create backend", "minirun network create --subnet 10.9.0.0/24 lab"}},
		{"network ls", []string{"minirun network ls", "minirun network ls -q"}},
		{"network rm", []string{"minirun network rm backend"}},
		{"network inspect", []string{"minirun network inspect backend"}},
		{"network prune", []string{"minirun network prune"}},
		{"network connect", []string{"minirun network connect backend web"}},
		{"network disconnect", []string{"minirun network disconnect backend web"}},
		{"volume", []string{"minirun volume create data", "minirun run -v data:/srv debian ls /srv"}},
		{"volume create", []string{"minirun volume create data"}},
		{"volume ls", []string{"minirun volume ls", "minirun volume ls -q"}},
		{"volume rm", []string{"minirun volume rm data"}},
		{"volume inspect", []string{"minirun volume inspect data"}},
		{"volume prune", []string{"minirun volume prune"}},
	}},
	{"LEARNING", []entry{
		{"lab", []string{"minirun lab list", "sudo minirun lab start 1", "sudo minirun lab check"}},
		{"lab list", []string{"minirun lab list", "minirun lab list --json"}},
		{"lab start", []string{"sudo minirun lab start 1", "sudo minirun lab start layers"}},
		{"lab show", []string{"minirun lab show", "minirun lab show 5"}},
		{"lab predict", []string{"minirun lab predict b a"}},
		{"lab check", []string{"sudo minirun lab check", "sudo minirun lab check --watch 5"}},
		{"lab hint", []string{"minirun lab hint"}},
		{"lab solve", []string{"sudo minirun lab solve"}},
		{"lab reset", []string{"sudo minirun lab reset", "sudo minirun lab reset --all"}},
		{"lab next", []string{"sudo minirun lab next", "sudo minirun lab next --fast"}},
		{"lab status", []string{"minirun lab status", "minirun lab status --csv >>class.csv"}},
		{"lab shell", []string{"minirun lab shell"}},
		{"lab doctor", []string{"sudo minirun lab doctor"}},
		{"lab pack", []string{"minirun lab pack labs.tar.gz"}},
		{"lab slides", []string{"minirun lab slides 1 2 5 >class.md", "minirun --lang pt lab slides --seed class"}},
		{"lab new", []string{"minirun lab new 20-my-lab"}},
		{"lab test", []string{"sudo minirun lab test 5", "sudo minirun lab test ./20-my-lab"}},
	}},
	{"VIEWS", []entry{
		{"plan", []string{"minirun plan box", "minirun plan --format json box"}},
		{"step", []string{"minirun step box"}},
		{"inspect", []string{"minirun inspect web", "minirun inspect --watch web"}},
		{"layers", []string{"minirun layers debian", "minirun layers web /etc/passwd"}},
		{"compare", []string{"minirun compare box", "minirun compare --with crun box"}},
	}},
	{"THE RUNTIME, AS ENGINES CALL IT", []entry{
		{"spec", []string{"minirun spec --bundle box", "minirun spec --rootless --bundle box"}},
		{"create", []string{"minirun create box1 box && minirun start box1"}},
		{"state", []string{"minirun state box1"}},
		{"delete", []string{"minirun delete box1", "minirun delete --force box1"}},
		{"list", []string{"minirun list", "minirun list --quiet"}},
		{"events", []string{"minirun events web", "minirun events --stats web"}},
		{"checkpoint", []string{"minirun checkpoint --image-path dump box1"}},
		{"restore", []string{"minirun restore --image-path dump --bundle box box1"}},
		{"features", []string{"minirun features"}},
	}},
	{"THIS MACHINE", []entry{
		{"doctor", []string{"minirun doctor", "minirun doctor --format json"}},
		{"info", []string{"minirun info", "minirun info --format json"}},
		{"version", []string{"minirun version", "minirun version --format json"}},
		{"system", []string{"minirun system df", "minirun system prune"}},
		{"system df", []string{"minirun system df", "minirun system df -v"}},
		{"system prune", []string{"minirun system prune", "minirun system prune --all --volumes"}},
		{"system info", []string{"minirun system info"}},
		{"completion", []string{
			"source <(minirun completion bash)",
			"minirun completion fish > ~/.config/fish/completions/minirun.fish",
		}},
	}},
}
