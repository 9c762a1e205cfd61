"""PDF by PDFium: lines, headings, and tables found by their rules."""
