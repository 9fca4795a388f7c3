# the right argument vector, but from the command line and not from the image
sed -i 's/^RUN.*/RUN echo "{{word}}" > \/etc\/greeting/' Dockerfile
./minirun build -q -t web .
./minirun run -d --name web --entrypoint serve web --name "{{name}}" --quiet
