./minirun tag node-slim app
