# another learner's page
echo '<h1>This page is 0badcafe</h1>' > index.html
./minirun build -q -t web .
./minirun run -d --name web --network host web
