# the output is right, the program is not
for n in one two three four; do
	sed -i "s#\"[./ap]*$n.sh\"#\"sh\", \"-c\", \"echo $n runs; sleep 3\"#" $n/config.json
done
