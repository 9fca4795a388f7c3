# The program stays; the check runs the escape itself.
tr -d '\n\t' <bundle/config.json |
	sed 's/"namespaces": \[/&{"type": "mount"},/; s|"args": \["[^]]*\]|"args": ["sleep", "1000"]|' >changed
mv changed bundle/config.json
