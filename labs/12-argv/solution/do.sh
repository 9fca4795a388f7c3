./minirun build -q -t web .
