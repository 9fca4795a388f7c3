# the name of the program is only an argument
for n in one two three; do
	sed -i "s#\"/app/$n.sh\"#\"sh\", \"-c\", \"sleep 3\", \"/app/$n.sh\"#" $n/config.json
done
sed -i 's#"/app/sleep"#"sh", "-c", "sleep 3", "/app/sleep"#' six/config.json
