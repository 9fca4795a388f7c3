./minirun build -q -t app app
