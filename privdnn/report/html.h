// A document as one HTML page that needs nothing else: style, script, plots' library, data and pictures lie in it.
#pragma once

#include <string>
#include <string_view>

#include "privdnn/report/document.h"

namespace privdnn {

// Any text as it may stand between tags and in quoted attributes.
std::string EscapeHtml(std::string_view text);

// JSON that may stand in a script element: nothing in it ends the element, whatever the strings say. What is no UTF-8
// is replaced.
std::string ScriptJson(const Json& json);

// The page's content security policy lets it load nothing from anywhere and run only the scripts that are in it, by
// their digests. Each canvas and picture gets the attribute data-rendered once it shows something, and the root element
// data-figures, data-rendered (how many there are, and of them such) and, if anything went wrong, data-errors.
std::string RenderHtml(const Document& document);

}  // namespace privdnn
