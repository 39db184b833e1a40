// Writes a document as one self-contained HTML page: it includes style, script, the library that draws plots, data and
// pictures.
#pragma once

#include <string>
#include <string_view>

#include "privdnn/report/document.h"

namespace privdnn {

// Escapes any text for use between tags and in quoted attributes.
std::string EscapeHtml(std::string_view text);

// Returns JSON for use in a script element: nothing in it ends the element, whatever its strings contain. Replaces
// invalid UTF-8.
std::string ScriptJson(const Json& json);

// Returns the page. Its content security policy lets it load nothing from anywhere, and run only its own scripts,
// identified by their digests. Each canvas and picture gets the attribute data-rendered once it shows something. The
// root element gets data-figures (how many there are), data-rendered (how many show something) and, if anything went
// wrong, data-errors.
std::string RenderHtml(const Document& document);

}  // namespace privdnn
