#include "privdnn/report/html.h"

#include <fmt/format.h>
#include <openssl/evp.h>

#include <algorithm>

#include "embedded/report.h"
#include "privdnn/base/random.h"

namespace privdnn {
namespace {

constexpr char kTextClass[] = " class=\"text\"";

std::string Base64(std::span<const uint8_t> data) {
  std::string text(4 * ((data.size() + 2) / 3) + 1, '\0');  // EVP_EncodeBlock ends it with a zero byte
  text.resize(static_cast<size_t>(
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), data.data(), static_cast<int>(data.size()))));
  return text;
}

std::string File(std::string_view name) { return std::string(AsStringView(report::EmbeddedFile(name))); }

// A source of a content security policy: this very text.
std::string Digest(std::string_view text) { return fmt::format("'sha256-{}'", Base64(Sha256(AsBytes(text)))); }

std::string Element(std::string_view tag, std::string_view text) {
  return fmt::format("<{0}>{1}</{0}>\n", tag, EscapeHtml(text));
}

std::string Cell(const Json& value, int digits) {
  if (value.is_null()) return "–";
  if (value.is_string()) return EscapeHtml(value.get<std::string>());
  return fmt::format("{:.{}f}", value.get<double>(), digits);
}

std::string TableHtml(const Table& table) {
  std::string html = "<table>\n<thead><tr>";
  for (size_t i = 0; i < table.columns.size(); ++i) {
    const bool text = std::ranges::any_of(table.rows, [i](const auto& row) { return row[i].is_string(); });
    html += fmt::format("<th scope=\"col\"{}>{}</th>", text ? kTextClass : "", EscapeHtml(table.columns[i].title));
  }
  html += "</tr></thead>\n<tbody>\n";
  for (const auto& row : table.rows) {
    html += "<tr>";
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string cell = Cell(row[i], table.columns[i].digits);
      html += i == 0 ? fmt::format("<th scope=\"row\">{}</th>", cell)
                     : fmt::format("<td{}>{}</td>", row[i].is_string() ? kTextClass : "", cell);
    }
    html += "</tr>\n";
  }
  return html + "</tbody>\n</table>\n";
}

Json PlotJson(const Figure& f) {
  const Plot& p = *f.plot;
  Json titles = Json::array();
  for (const Column& c : f.table.columns) titles.push_back(c.title);
  Json json = {{"titles", titles},     {"rows", f.table.rows},     {"lines", p.kind == Plot::Kind::kLines},
               {"columns", p.columns}, {"reference", p.reference}, {"x_title", p.x_title},
               {"y_title", p.y_title}, {"log_x", p.log_x},         {"log_y", p.log_y}};
  if (p.min) json["min"] = *p.min;
  if (p.max) json["max"] = *p.max;
  return json;
}

std::string FigureHtml(const Figure& f) {
  std::string html = fmt::format("<figure id=\"figure-{}\">\n<figcaption><strong>{}.</strong> {}</figcaption>\n",
                                 EscapeHtml(f.id), EscapeHtml(f.title), EscapeHtml(f.caption));
  if (f.image) {
    html +=
        fmt::format("<img class=\"picture\" data-figure=\"{}-picture\" alt=\"{}\" src=\"data:image/png;base64,{}\">\n",
                    EscapeHtml(f.id), EscapeHtml(f.image->description), Base64(f.image->png));
  }
  html += "<div class=\"beside\">\n";
  if (f.plot) {
    html += fmt::format(
        "<div class=\"plot{}\"><canvas data-figure=\"{}\" role=\"img\" aria-label=\"Plot: {}. The table beside it has "
        "the same numbers.\"></canvas></div>\n",
        f.plot->kind == Plot::Kind::kLines ? " lines" : "", EscapeHtml(f.id), EscapeHtml(f.title));
  }
  if (!f.table.rows.empty()) html += "<div class=\"scroll\">" + TableHtml(f.table) + "</div>\n";
  return html + "</div>\n</figure>\n";
}

std::string MadeBy(const Provenance& p) {
  if (!p.reason.empty()) {
    return fmt::format("<p class=\"missing\"><strong>{}: no result.</strong> {}</p>\n{}", EscapeHtml(p.title),
                       EscapeHtml(p.reason), p.command.empty() ? "" : Element("pre", p.command));
  }
  return fmt::format("<p class=\"made\">{}, {:.0f} s:</p>\n{}", EscapeHtml(p.title), p.seconds,
                     Element("pre", p.command));
}

std::string SectionHtml(const Section& s) {
  std::string html = fmt::format("<section id=\"{}\">\n", EscapeHtml(s.id)) + Element("h2", s.title);
  for (const std::string& p : s.paragraphs) html += Element("p", p);
  for (const Figure& f : s.figures) html += FigureHtml(f);
  for (const Provenance& p : s.made_by) html += MadeBy(p);
  return html + "</section>\n";
}

std::string VerdictHtml(const Document& d) {
  std::string html = "<section class=\"verdict\" id=\"verdict\">\n<h2>Verdict</h2>\n<ul>\n";
  for (const Sentence& s : d.verdict) {
    const auto [style, word] = s.tone == Tone::kProtects  ? std::pair("protects", "protects")
                               : s.tone == Tone::kExposes ? std::pair("exposes", "does not protect")
                                                          : std::pair("note", "note");
    html += fmt::format("<li class=\"{}\"><span class=\"tone\">{}</span> {} <a href=\"#{}\">figures</a></li>\n", style,
                        word, EscapeHtml(s.text), EscapeHtml(s.section));
  }
  html += "</ul>\n</section>\n<section id=\"not-said\">\n<h2>What this report does not say</h2>\n<ul>\n";
  for (const std::string& text : d.not_said) html += Element("li", text);
  return html + "</ul>\n</section>\n";
}

}  // namespace

std::string EscapeHtml(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      case '\'':
        escaped += "&#39;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

std::string ScriptJson(const Json& json) {
  std::string escaped;
  // Outside of strings JSON has none of these, and ASCII has no line separators of JavaScript's.
  for (const char c : json.dump(-1, ' ', /*ensure_ascii=*/true, Json::error_handler_t::replace)) {
    if (c == '<' || c == '>' || c == '&') {
      escaped += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
    } else {
      escaped += c;
    }
  }
  return escaped;
}

std::string RenderHtml(const Document& d) {
  Json plots = Json::object();
  for (const Section& s : d.sections) {
    for (const Figure& f : s.figures) {
      if (f.plot) plots[f.id] = PlotJson(f);
    }
  }
  const std::string style = File("report.css"), library = File("chart.min.js"), script = File("report.js");
  std::string html = "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n";
  html += fmt::format(
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src {}; "
      "script-src {} {}; base-uri 'none'; form-action 'none'\">\n",
      Digest(style), Digest(library), Digest(script));
  html += "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n";
  html += "<meta name=\"color-scheme\" content=\"light dark\">\n";
  html += Element("title", d.title) + "<style>" + style + "</style>\n</head>\n<body>\n<main>\n<header>\n";
  html += Element("h1", d.title) + "<dl>\n";
  for (const auto& [what, value] : d.facts) html += Element("dt", what) + Element("dd", value);
  html += "</dl>\n</header>\n" + VerdictHtml(d);
  for (const Section& s : d.sections) html += SectionHtml(s);
  html += "</main>\n<script type=\"application/json\" id=\"plots\">" + ScriptJson(plots) + "</script>\n";
  html += "<script>" + library + "</script>\n<script>" + script + "</script>\n</body>\n</html>\n";
  return html;
}

}  // namespace privdnn
