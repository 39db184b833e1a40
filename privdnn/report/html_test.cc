#include "privdnn/report/html.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "privdnn/base/file.h"
#include "privdnn/report/csv.h"

namespace privdnn {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr char kHostile[] = "</script><img src=x onerror='alert(1)'>\"&\xff";

Document Hostile() {
  Figure figure{.id = "one", .title = kHostile, .caption = kHostile, .table = {}, .plot = {}, .image = {}};
  figure.table = {{{kHostile}, {"value", 2}}, {{kHostile, 1.5}, {"none", nullptr}}};
  figure.plot = Plot{.columns = {1}, .y_title = kHostile};
  figure.image = Picture{{1, 2, 3}, kHostile};
  Section section{"section", kHostile, {kHostile}, {figure}, {}};
  section.made_by = {{kHostile, kHostile, 1, ""}, {kHostile, kHostile, 0, kHostile}};
  return {kHostile, {{kHostile, kHostile}}, {{Tone::kExposes, kHostile, "section"}}, {kHostile}, {section}};
}

TEST(Html, EscapesTextWhereverItStands) {
  const std::string html = RenderHtml(Hostile());
  EXPECT_THAT(html, Not(HasSubstr("<img src=x")));
  EXPECT_THAT(html, HasSubstr("&lt;/script&gt;&lt;img src=x onerror=&#39;alert(1)&#39;&gt;&quot;&amp;"));
  EXPECT_THAT(html, HasSubstr("\\u003c/script\\u003e\\u003cimg src=x onerror='alert(1)'\\u003e\\\"\\u0026\\ufffd"));
  // The page's own elements: data, library, script.
  size_t ends = 0;
  for (size_t at = html.find("</script"); at != std::string::npos; at = html.find("</script", at + 1)) ++ends;
  EXPECT_EQ(ends, 3u);
}

TEST(Html, LoadsNothing) {
  const std::string html = RenderHtml(Hostile());
  EXPECT_THAT(html, HasSubstr("default-src 'none'; img-src data:; style-src 'sha256-"));
  EXPECT_THAT(html, Not(HasSubstr("unsafe-inline")));
  for (const char* attribute : {" href=\"http", " src=\"http", "<link", "@import", "url("}) {
    EXPECT_THAT(html.substr(0, html.find("<script>")), Not(HasSubstr(attribute)));
  }
}

TEST(Html, ShowsNumbersAsTheColumnSaysAndGapsAsDashes) {
  const std::string html = RenderHtml(Hostile());
  EXPECT_THAT(html, HasSubstr("<td>1.50</td>"));
  EXPECT_THAT(html, HasSubstr("<th scope=\"row\">none</th><td>–</td>"));
  EXPECT_THAT(html, HasSubstr("src=\"data:image/png;base64,AQID\""));
}

TEST(Csv, QuotesWhatNeedsIt) {
  EXPECT_EQ(RenderCsv({{{"a"}, {"b, c"}}, {{"plain", 0.1}, {"with \"quotes\"", nullptr}}}),
            "a,\"b, c\"\nplain,0.1\n\"with \"\"quotes\"\"\",\n");
}

TEST(Csv, WritesTablesAndPictures) {
  const TemporaryDirectory directory = TemporaryDirectory::Create().value();
  ASSERT_TRUE(WriteFigures(Hostile(), directory.path() / "new").ok());
  EXPECT_EQ(*ReadFile(directory.path() / "new" / "one.png", 10), (Bytes{1, 2, 3}));
  EXPECT_THAT(*ReadTextFile(directory.path() / "new" / "one.csv", 1000), HasSubstr("none,\n"));
}

}  // namespace
}  // namespace privdnn
