# with the interpreter in config.json the first line does not matter, but the other carriage returns do
sed -i 's#"/app/one.sh"#"/bin/sh", "/app/one.sh"#' one/config.json
