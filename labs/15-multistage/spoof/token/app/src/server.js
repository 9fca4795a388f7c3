const greet = require("greet");
console.log(greet("0badcafe"));
